package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// spec is abi.json.
type spec struct {
	ABI       string     `json:"abi"`
	Constants []constant `json:"constants"`
	Enums     []enum     `json:"enums"`
	Words     []words    `json:"words"`
	Limits    []number   `json:"limits"`
	Layout    []number   `json:"layout"`
	Names     []name     `json:"names"`
	Aliases   []constant `json:"aliases"`
	Protected []string   `json:"protected"`
	Functions []function `json:"functions"`
	Exports   []function `json:"exports"`
}

type constant struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Doc   string `json:"doc"`
}

type number struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
	Doc   string `json:"doc"`
}

type enum struct {
	Name   string   `json:"name"`
	Doc    string   `json:"doc"`
	Values []number `json:"values"`
}

type words struct {
	Name   string `json:"name"`
	Doc    string `json:"doc"`
	Values []word `json:"values"`
}

type word struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// name is one that a field path can begin with.
type name struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"` // string, list, tree or headers
	Hooks []string `json:"hooks"`
	Edit  []string `json:"edit"` // the hooks whose strings and writes may hold it
	At    string   `json:"at"`   // the place that it is another name of
	Doc   string   `json:"doc"`
}

type function struct {
	Name    string  `json:"name"`
	Params  []param `json:"params"`
	Result  string  `json:"result"` // empty, a type as of param, or never
	When    string  `json:"when"`
	Feature string  `json:"feature"`
	Doc     string  `json:"doc"`
}

// param is a name and a type: i32, i64, f64; in and out, a pointer to what is read or
// written; len, the length of what the parameter before it points to.
type param struct{ Name, Type string }

// UnmarshalJSON reads a parameter from its pair.
func (p *param) UnmarshalJSON(data []byte) error {
	var pair [2]string
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	p.Name, p.Type = pair[0], pair[1]
	return nil
}

func parse(data []byte) (*spec, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	s := new(spec)
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("abi.json: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("abi.json: text after the end")
	}
	return s, s.check()
}

var (
	types  = []string{"i32", "i64", "f64", "in", "out", "len"}
	stages = []string{"boot", "hook", "list", "any"}
)

// check refuses what the compilers of six languages would find later, or never.
func (s *spec) check() error {
	for _, f := range slices.Concat(s.Functions, s.Exports) {
		if !slices.Contains(stages, f.When) {
			return fmt.Errorf("abi.json: %s: no stage %q", f.Name, f.When)
		}
		if f.Result != "" && f.Result != "never" && !slices.Contains(types, f.Result) {
			return fmt.Errorf("abi.json: %s: no type %q", f.Name, f.Result)
		}
		if f.Feature != "" && !s.hasFeature(f.Feature) {
			return fmt.Errorf("abi.json: %s: no feature %q", f.Name, f.Feature)
		}
		for i, p := range f.Params {
			if !slices.Contains(types, p.Type) {
				return fmt.Errorf("abi.json: %s: %s: no type %q", f.Name, p.Name, p.Type)
			}
			pointer := p.Type == "in" || p.Type == "out"
			if pointer && (i+1 == len(f.Params) || f.Params[i+1].Type != "len") {
				return fmt.Errorf("abi.json: %s: no length after %s", f.Name, p.Name)
			}
		}
	}
	return nil
}

func (s *spec) hasFeature(name string) bool {
	return slices.ContainsFunc(s.Enum("feature").Values, func(n number) bool { return n.Name == name })
}

// Enum finds an enum by its name. The zero enum is none.
func (s *spec) Enum(name string) enum {
	for _, e := range s.Enums {
		if e.Name == name {
			return e
		}
	}
	return enum{}
}

// Word finds a list of words by its name. The zero words are none.
func (s *spec) Word(name string) words {
	for _, w := range s.Words {
		if w.Name == name {
			return w
		}
	}
	return words{}
}

// Short is the name of an export without what all have in common.
func (f function) Short() string { return strings.TrimPrefix(strings.TrimPrefix(f.Name, "_"), "sp_") }
