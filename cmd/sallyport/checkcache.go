package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// writeCaching writes what is wrong, and what the decision cache makes of the rules, as one JSON value.
func writeCaching(w io.Writer, found source.Diagnostics, rules []engine.RuleCaching) error {
	out := struct {
		Found source.Diagnostics   `json:"diagnostics"`
		Rules []engine.RuleCaching `json:"rules"`
	}{found, rules}
	if found == nil {
		out.Found = source.Diagnostics{}
	}
	if rules == nil {
		out.Rules = []engine.RuleCaching{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// writeRules says of each rule whether decisions that rest on it can be remembered, and what their keys hold for it.
func writeRules(w io.Writer, rules []engine.RuleCaching) {
	for i := range rules {
		r := &rules[i]
		fmt.Fprintf(w, "%s: %s\n", r.Rule.ID(), cachingText(r))
	}
}

func cachingText(r *engine.RuleCaching) string {
	if !r.Cacheable {
		return fmt.Sprintf("not remembered: %s (%s)", r.Why, r.Blame)
	}
	fields := "nothing of the message"
	if len(r.Fields) > 0 {
		fields = strings.Join(r.Fields, ", ")
	}
	if !r.Worthwhile {
		return "by " + fields + "; alone not worth it"
	}
	return "by " + fields
}
