package rego

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

// Bounds on patterns, which may come from a message. What a pattern costs to have is bounded by its
// size when its repetitions are written out, and what it costs to run by that and the text.
const (
	maxPattern      = 4096 // bytes
	maxInstructions = 4096
	maxPatterns     = 64 // in a cache
)

var errPattern = errors.New("the pattern is too large")

// Cache keeps compiled patterns. The zero Cache is empty. It is safe for concurrent use.
type Cache struct {
	mu   sync.Mutex
	list map[string]*pattern
}

type pattern struct {
	re   *regexp.Regexp
	size int64 // instructions, about
}

// Fuel of compiling. It is paid for also where a pattern is compiled already, for what a call costs
// must not depend on those before it.
const (
	costParse   = 100  // a byte of a pattern
	costCompile = 1000 // an instruction
)

// compile returns a pattern, or nil if it is none.
func (c *Call) compile(text string) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, errPattern
	}
	c.Charge(int64(len(text)) * costParse)
	p := c.Cache.get(text)
	if p == nil {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			return nil, nil //nolint:nilnil,nilerr // what is no pattern makes the builtin undefined
		}
		p = &pattern{size: instructions(tree)}
		if p.size > maxInstructions {
			return nil, errPattern
		}
	}
	c.Charge(p.size * costCompile)
	if p.re != nil {
		return p, nil
	}
	var err error
	if p.re, err = regexp.Compile(text); err != nil {
		return nil, nil //nolint:nilnil,nilerr // likewise
	}
	c.Cache.put(text, p)
	return p, nil
}

func (c *Cache) get(text string) *pattern {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list[text]
}

func (c *Cache) put(text string, p *pattern) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil || len(c.list) >= maxPatterns {
		c.list = make(map[string]*pattern)
	}
	c.list[text] = p
}

// instructions is about how many a pattern is compiled to.
func instructions(re *syntax.Regexp) int64 {
	n := int64(1 + len(re.Rune))
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= int64(max(re.Min, re.Max, 1))
	}
	return min(n, maxInstructions+1)
}

// run charges for running a pattern over a text.
func (p *pattern) run(c *Call, text string) {
	c.Charge(int64(len(text)+1) * (20 + p.size))
}

// Fuel of matches, besides: a pattern may look at all of what is left of a text for each of them.
const (
	atOnce      = 1 << 22 // bytes, times instructions, that may be looked at before the clock is
	bytesForOne = 64      // for a unit
)

// matches finds the first n matches in a text, all if n is below zero. It looks for few first, and
// for more when those are paid for, so that the time that is up ends it.
func (p *pattern) matches(c *Call, text string, n int) [][]int {
	for most := int(max(1, atOnce/(int64(len(text)+1)*(p.size+1)))); ; most *= 4 {
		if n >= 0 {
			most = min(most, n)
		}
		found := p.re.FindAllStringIndex(text, most)
		c.Charge(int64(len(found)) * int64(len(text)) / bytesForOne)
		if len(found) < most || most == n {
			return found
		}
		p.run(c, text)
	}
}

// onPattern is a builtin that runs a pattern over a text.
func onPattern(c *Call, pattern, text Value, f func(p *pattern, text string) (Value, error)) (Value, error) {
	ps, ok := pattern.(string)
	ts, ok2 := text.(string)
	if !ok || !ok2 {
		return Undefined, nil
	}
	p, err := c.compile(ps)
	if err != nil || p == nil {
		return Undefined, err
	}
	p.run(c, ts)
	return f(p, ts)
}

func regexReplace(c *Call, args []Value) (Value, error) {
	with, ok := args[2].(string)
	if !ok {
		return Undefined, nil
	}
	return onPattern(c, args[1], args[0], func(p *pattern, text string) (Value, error) {
		matches := p.matches(c, text, maxElements+1)
		size := int64(len(text)) + int64(len(matches))*int64(len(with)) + int64(len(text))*int64(strings.Count(with, "$"))
		if len(matches) > maxElements || size > maxText {
			return nil, errTooLong
		}
		c.Charge(size)
		return p.re.ReplaceAllString(text, with), nil
	})
}

func regexSplit(c *Call, args []Value) (Value, error) {
	return onPattern(c, args[0], args[1], func(p *pattern, text string) (Value, error) {
		p.matches(c, text, -1) // which Split does again, in the same time
		return arrayOf(p.re.Split(text, -1)), nil
	})
}

func regexFind(c *Call, args []Value) (Value, error) {
	number, ok := args[2].(Number)
	if !ok {
		return Undefined, nil
	}
	n, ok := number.Int64()
	if !ok {
		return Undefined, nil
	}
	return onPattern(c, args[0], args[1], func(p *pattern, text string) (Value, error) {
		out := Array{}
		for _, m := range p.matches(c, text, int(n)) {
			out = append(out, text[m[0]:m[1]])
		}
		return out, nil
	})
}
