package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// Coverage collects what messages have met of a snapshot's rules. The zero Coverage is empty. It is not safe for concurrent use.
type Coverage struct {
	rules     map[*rule]*RuleCoverage
	variables map[variableOf]*VariableCoverage
}

type variableOf struct {
	of   *condition.Variables
	name string
}

// RuleCoverage is what has been met of a rule.
type RuleCoverage struct {
	Rule       *Rule
	Considered bool // a message was what its match is about
	Matched    bool // its condition held, or it has none
	Branches   []BranchCoverage
}

// VariableCoverage is what has been met of a variable of a policy that is a bool.
type VariableCoverage struct {
	Policy, Name string
	Branches     []BranchCoverage
}

// BranchCoverage says which values an operand of a condition has had.
type BranchCoverage struct {
	condition.Branch
	True, False bool
}

// Add decides a message as Explain does, and notes what it met. visible says that its arguments are not known, as of Visible.
func (c *Coverage) Add(ctx context.Context, s *Snapshot, r *Request, visible bool) {
	why := again
	if visible {
		why = listing
	}
	d := s.decide(ctx, r, why)
	frame := s.env.NewFrame()
	defer frame.Close()
	frame.Blank = visible
	r.fill(&frame.Input)
	frame.Open(ctx)
	for rule := range d.considered.each {
		c.meet(frame, rule)
	}
}

func (c *Coverage) meet(frame *condition.Frame, r *rule) {
	rc := c.rule(r)
	rc.Considered = true
	if r.when == nil {
		rc.Matched = true
		return
	}
	frame.SetVariables(r.variables)
	if cover(r.when, frame, rc.Branches, func(name string) { c.readVariable(frame, r, name) })&condition.SeenTrue != 0 {
		rc.Matched = true
	}
}

// readVariable notes what a variable was, and those that it reads.
func (c *Coverage) readVariable(frame *condition.Frame, r *rule, name string) {
	for _, v := range r.when.Variables() {
		if v.Name == name && v.Condition.IsBool() {
			cover(v.Condition, frame, c.variable(r, v).Branches, func(name string) { c.readVariable(frame, r, name) })
		}
	}
}

func cover(of *condition.Condition, frame *condition.Frame, branches []BranchCoverage, read func(string)) condition.Seen {
	seen := make([]condition.Seen, len(branches))
	whole, names := of.Cover(frame, seen)
	for i, s := range seen {
		branches[i].True = branches[i].True || s&condition.SeenTrue != 0
		branches[i].False = branches[i].False || s&condition.SeenFalse != 0
	}
	for _, name := range names {
		read(name)
	}
	return whole
}

func (c *Coverage) rule(r *rule) *RuleCoverage {
	if c.rules == nil {
		c.rules = map[*rule]*RuleCoverage{}
	}
	rc := c.rules[r]
	if rc == nil {
		rc = &RuleCoverage{Rule: &r.Rule}
		if r.when != nil {
			rc.Branches = branchesOf(r.when)
		}
		c.rules[r] = rc
	}
	return rc
}

func (c *Coverage) variable(r *rule, v condition.Variable) *VariableCoverage {
	if c.variables == nil {
		c.variables = map[variableOf]*VariableCoverage{}
	}
	key := variableOf{r.variables, v.Name}
	vc := c.variables[key]
	if vc == nil {
		vc = &VariableCoverage{Policy: r.Policy, Name: v.Name, Branches: branchesOf(v.Condition)}
		c.variables[key] = vc
	}
	return vc
}

func branchesOf(of *condition.Condition) []BranchCoverage {
	var out []BranchCoverage
	for _, b := range of.Branches() {
		out = append(out, BranchCoverage{Branch: b})
	}
	return out
}

// Rules lists every rule of s in its order, those that no message met included.
func (c *Coverage) Rules(s *Snapshot) []*RuleCoverage {
	var out []*RuleCoverage
	for _, r := range s.all {
		out = append(out, c.rule(r))
	}
	return out
}

// Variables lists the variables that conditions of s can read and that are bools, by policy and name, those that were not read included.
func (c *Coverage) Variables(s *Snapshot) []*VariableCoverage {
	for _, r := range s.all {
		if r.when == nil {
			continue
		}
		for _, v := range r.when.Variables() {
			if v.Condition.IsBool() {
				c.variable(r, v)
			}
		}
	}
	var out []*VariableCoverage
	for _, v := range c.variables {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *VariableCoverage) int {
		return strings.Compare(a.Policy+"/"+a.Name, b.Policy+"/"+b.Name)
	})
	return out
}
