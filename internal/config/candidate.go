package config

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// Candidate is policies that are tried before they decide.
type Candidate struct {
	From       string              `yaml:"from" jsonschema:"required,minLength=1" jsonschema_description:"Where they are: a directory, a file, or a bundle, at hand or fetched as policies can be, which is verified as that of policies is."`
	Mode       string              `yaml:"mode" jsonschema:"enum=shadow,enum=canary,default=shadow" jsonschema_description:"They decide nothing, and what they would have decided is compared (shadow); or they decide for some callers, too (canary)."`
	Share      float64             `yaml:"share" jsonschema:"minimum=0.01,maximum=100" jsonschema_description:"The callers that a canary decides for, in percent: the same callers as long as the candidate is the same."`
	Principals []string            `yaml:"principals" jsonschema:"minItems=1" jsonschema_description:"The ids of callers that a canary decides for, too."`
	Groups     []string            `yaml:"groups" jsonschema:"minItems=1" jsonschema_description:"Groups whose members a canary decides for, too."`
	Claims     map[string][]string `yaml:"claims" jsonschema_description:"By the name of a claim, such as tenant: values. A canary decides for callers who have one of them, too."`
	Budget     float64             `yaml:"budget" jsonschema:"minimum=0.01,maximum=100,default=2" jsonschema_description:"The time of all processors that comparing may take, in percent. What would take more is compared on a sample of the decisions."`
	Withdraw   *Withdraw           `yaml:"withdraw" jsonschema_description:"When a canary ends by itself. Left out, it doesn't."`
}

// Withdraw bounds what a canary may do wrong.
type Withdraw struct {
	After   int     `yaml:"after" jsonschema:"minimum=1,maximum=1000000,default=100" jsonschema_description:"The decisions of the candidate from which on the shares count."`
	Denials float64 `yaml:"denials" jsonschema:"minimum=0.01,maximum=100" jsonschema_description:"The most of its decisions, in percent, that may deny what the active policies allow."`
	Errors  float64 `yaml:"errors" jsonschema:"minimum=0.01,maximum=100" jsonschema_description:"The most of its decisions, in percent, in which one of its rules or plugins may fail."`
}

const canary = "canary"

// Canary says whether the candidate decides for anybody.
func (c *Candidate) Canary() bool { return c.Mode == canary }

// ParseCandidate reads how policies from a place are to be tried, where no config says so: JSON, in the words of a config's
// `bundle.candidate` but for `from`. Empty data leaves all at its default. Its Diagnostics have no places.
func ParseCandidate(from string, data []byte) (Candidate, source.Diagnostics) {
	const file = "candidate"
	var said map[string]json.RawMessage
	if err := json.Unmarshal(data, &said); len(data) > 0 && err != nil || said["from"] != nil {
		return Candidate{}, source.Diagnostics{source.Pos{File: file}.Diagnose("SP1112", "what is said of the candidate is no JSON object, or says where it is",
			`give an object such as {"mode":"canary","share":5}`)}
	}
	if said == nil {
		said = map[string]json.RawMessage{}
	}
	said["from"] = jsonscan.AppendQuote(nil, from)
	text, err := json.Marshal(map[string]any{"bundle": map[string]any{"candidate": said}})
	if err != nil {
		return Candidate{}, source.Diagnostics{source.Pos{File: file}.Diagnose("SP1112", err.Error(), "")}
	}
	root, ds := source.ParseJSON(file, text)
	c := Config{node: root}
	if !ds.HasErrors() {
		ds = append(ds, root.Get("bundle").Decode(&c.Bundle)...)
		ds = append(ds, c.checkCandidate()...)
	}
	for i := range ds {
		ds[i].Line, ds[i].Column, ds[i].Width = 0, 0, 0
	}
	if ds.HasErrors() {
		return Candidate{}, ds
	}
	c.Bundle.Candidate.fill()
	return *c.Bundle.Candidate, nil
}

func (c *Config) fillCandidate() {
	if k := c.Bundle.Candidate; k != nil {
		k.fill()
	}
}

func (c *Candidate) fill() {
	if c.Mode == "" {
		c.Mode = "shadow"
	}
	if c.Budget == 0 {
		c.Budget = 2
	}
	if c.Withdraw != nil && c.Withdraw.After == 0 {
		c.Withdraw.After = 100
	}
}

func (c *Config) checkCandidate() source.Diagnostics {
	k, n := c.Bundle.Candidate, c.node.Get("bundle").Get("candidate")
	if k == nil || n.Kind() != source.Map {
		return nil
	}
	var ds source.Diagnostics
	if from := n.Get("from"); from.Kind() == source.String && fetch.Remote(k.From) {
		if wrong, help := fetch.Check(k.From); wrong != "" {
			ds = append(ds, one(from, "SP1103", "`"+source.Brief(fetch.Shown(k.From))+"`: "+wrong, help)...)
		}
	}
	chosen := false
	for _, field := range []string{"share", "principals", "groups", "claims", "withdraw"} {
		key := n.Key(field)
		if key != nil && !k.Canary() {
			ds = append(ds, one(key, "SP1112", fmt.Sprintf("`%s` has no meaning for a candidate that decides nothing", field), "write `mode: canary`, or remove it")...)
		}
		chosen = chosen || key != nil && field != "withdraw"
	}
	if k.Canary() && !chosen {
		ds = append(ds, one(n.Key("mode"), "SP1112", "nobody is named for whom the canary decides", "add `share: 5`, `groups`, `principals` or `claims`")...)
	}
	if w := n.Get("withdraw"); w.Kind() == source.Map && w.Get("denials") == nil && w.Get("errors") == nil {
		ds = append(ds, one(n.Key("withdraw"), "SP1112", "`withdraw` says nothing of when", "add `denials` or `errors`, in percent")...)
	}
	return ds
}
