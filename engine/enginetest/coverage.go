package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Coverage is what the cases have met of the rules. Each operand of a condition's logic has two outcomes, true and false; a rule without
// a condition has one, that a message was what it is about.
type Coverage struct {
	Rules    int       `json:"rules"`
	Matched  int       `json:"matched"` // rules that held in some case
	Outcomes int       `json:"outcomes"`
	Seen     int       `json:"seen"`
	Missing  []Missing `json:"missing,omitempty"`
}

// Missing is something that no case has met.
type Missing struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Of     string `json:"of"`   // the rule, POLICY/RULE, or the variable
	What   string `json:"what"` // "`args.limit < 10` is never false"
}

// Percent is the share of outcomes that were seen, 100 if there are none.
func (c *Coverage) Percent() float64 {
	if c.Outcomes == 0 {
		return 100
	}
	return 100 * float64(c.Seen) / float64(c.Outcomes)
}

// covered is what the cases of all suites have met. Suites that name the same policies share it.
type covered struct {
	order []string
	units map[string]*unit
}

// unit is a rule or a variable.
type unit struct {
	of, file            string
	line                int
	rule                bool
	considered, matched bool
	branches            []engine.BranchCoverage
}

func (c *covered) add(key string, u unit) {
	old := c.units[key]
	if old == nil {
		if c.units == nil {
			c.units = map[string]*unit{}
		}
		c.units[key] = &u
		c.order = append(c.order, key)
		return
	}
	old.considered, old.matched = old.considered || u.considered, old.matched || u.matched
	for i := range min(len(old.branches), len(u.branches)) {
		old.branches[i].True = old.branches[i].True || u.branches[i].True
		old.branches[i].False = old.branches[i].False || u.branches[i].False
	}
}

// suite adds what the cases of one suite meet.
func (c *covered) suite(ctx context.Context, s *engine.Snapshot, cases []*single) {
	var met engine.Coverage
	for _, one := range cases {
		if one.request != nil {
			met.Add(ctx, s, one.request, false)
		}
		for _, r := range one.list {
			met.Add(ctx, s, r, true)
		}
	}
	files := map[string]string{}
	for _, r := range met.Rules(s) {
		files[r.Rule.Policy] = r.Rule.File
		c.add(r.Rule.File+"\n"+r.Rule.ID(), unit{
			of: r.Rule.ID(), file: r.Rule.File, line: r.Rule.Line, rule: true,
			considered: r.Considered, matched: r.Matched, branches: r.Branches,
		})
	}
	for _, v := range met.Variables(s) {
		of := v.Policy + ": variables." + v.Name
		c.add(files[v.Policy]+"\n"+of, unit{of: of, file: files[v.Policy], considered: true, branches: v.Branches})
	}
}

// report sums up.
func (c *covered) report() *Coverage {
	out := &Coverage{}
	for _, key := range c.order {
		u := c.units[key]
		out.Outcomes += u.outcomes()
		if u.rule {
			out.Rules++
		}
		if u.matched {
			out.Matched++
		}
		if !u.considered {
			out.Missing = append(out.Missing, Missing{File: u.file, Line: u.line, Of: u.of, What: "no case is about it"})
			continue
		}
		missing := u.missing()
		out.Seen += u.outcomes() - len(missing)
		out.Missing = append(out.Missing, missing...)
	}
	slices.SortStableFunc(out.Missing, func(a, b Missing) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return out
}

func (u *unit) outcomes() int {
	if len(u.branches) == 0 && u.rule {
		return 1
	}
	return 2 * len(u.branches)
}

func (u *unit) missing() []Missing {
	var out []Missing
	for _, b := range u.branches {
		for _, side := range []struct {
			seen bool
			name string
		}{{b.True, "true"}, {b.False, "false"}} {
			if !side.seen {
				what := fmt.Sprintf("`%s` is never %s", source.Brief(b.Text), side.name)
				out = append(out, Missing{File: u.file, Line: b.Line, Column: b.Column, Of: u.of, What: what})
			}
		}
	}
	return out
}
