package route

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// codeRoute is for a route that can't work.
const codeRoute = "SP1302"

// Spec says how the calls of one server are shared among its versions, as a config says it. The names in it are known, and the weights
// sum to Whole.
type Spec struct {
	Server   string
	Versions []Version
	Rules    []Rule // the first that holds decides; if none does, the weights do
}

// Version is one version of a server.
type Version struct {
	Name   string
	Weight int // of Whole; 0: only rules lead to it
}

// Rule leads calls to a version.
type Rule struct {
	When    source.Text // a condition on the call and its caller
	Version string
}

// Whole is what the weights of a server's versions sum to.
const Whole = 100

// Split says which version of a server serves a call. It is immutable and safe for concurrent use.
type Split struct {
	server string
	env    *condition.Env
	rules  []rule
	shares []share
}

type rule struct {
	when    *condition.Condition
	version string
}

// share is a version's part of all callers: the places below upTo that no share before it has.
type share struct {
	version string
	upTo    int
}

// Compile makes the Split of each server.
func Compile(specs []Spec) (map[string]*Split, source.Diagnostics) {
	if len(specs) == 0 {
		return nil, nil
	}
	env, err := condition.New(condition.Options{CostLimit: condition.DefaultCostLimit})
	if err != nil {
		return nil, source.Diagnostics{{Code: codeRoute, Message: err.Error()}}
	}
	var ds source.Diagnostics
	out := make(map[string]*Split, len(specs))
	for i := range specs {
		s, found := compile(env, &specs[i])
		ds = append(ds, found...)
		out[s.server] = s
	}
	if ds.HasErrors() {
		return nil, ds
	}
	return out, ds
}

func compile(env *condition.Env, spec *Spec) (*Split, source.Diagnostics) {
	s := &Split{server: spec.Server, env: env}
	var ds source.Diagnostics
	for _, r := range spec.Rules {
		when, found := env.Compile(r.When, condition.Bool, env.NewVariables(false))
		ds = append(ds, found...)
		if when == nil {
			continue
		}
		ds = append(ds, unfit(r.When, when)...)
		s.rules = append(s.rules, rule{when, r.Version})
	}
	upTo := 0
	for _, v := range slices.SortedFunc(slices.Values(spec.Versions), func(a, b Version) int { return strings.Compare(a.Name, b.Name) }) {
		if v.Weight > 0 {
			upTo += v.Weight
			s.shares = append(s.shares, share{v.Name, upTo})
		}
	}
	return s, ds
}

// annotations are what a server says of a tool: which of its versions is asked must be known before.
const annotations = "mcp.tool.annotations"

// unfit reports a condition that can't choose a version.
func unfit(text source.Text, when *condition.Condition) source.Diagnostics {
	if why := when.Impure(); why != "" {
		return source.Diagnostics{text.Pos().Diagnose(codeRoute, fmt.Sprintf("the route depends on more than the call and its caller: `%s`", why),
			"the same caller must come to the same version each time")}
	}
	for _, name := range when.Reads() {
		if name == annotations || strings.HasPrefix(name, annotations+".") || strings.HasPrefix(name, annotations+"[") {
			return source.Diagnostics{text.Pos().Diagnose(codeRoute, fmt.Sprintf("the route reads `%s`, which a version says of its own tools", name),
				"choose by the caller, a header, or the name of the tool")}
		}
	}
	return nil
}

// ErrNoVersion means that no version was found for a call.
var ErrNoVersion = errors.New("no version takes the call")

// Choose gives the version that serves a call. key stands for its caller: the same one comes to the same version, as long as the weights
// are the same. A rule about something that the call is not about is passed over; one that fails is an error.
func (s *Split) Choose(ctx context.Context, r *engine.Request, key []byte) (version string, err error) {
	if len(s.rules) > 0 {
		version, err = s.ruled(ctx, r)
		if version != "" || err != nil {
			return version, err
		}
	}
	place := s.place(key)
	for _, one := range s.shares {
		if place < one.upTo {
			return one.version, nil
		}
	}
	return "", ErrNoVersion
}

// ruled gives the version that a rule leads to; "" if none holds.
func (s *Split) ruled(ctx context.Context, r *engine.Request) (string, error) {
	f := s.env.NewFrame()
	defer f.Close()
	in := &f.Input
	in.Method, in.Server, in.Tool, in.Prompt, in.Resource = r.Method, r.Server, r.Tool, r.Prompt, r.Resource
	in.Arguments, in.Params = r.Arguments, r.Params
	in.Principal, in.Source, in.Header, in.Time = r.Principal, r.Source, r.Header, r.Time
	f.Open(ctx)
	for i := range s.rules {
		one := &s.rules[i]
		truth, err := one.when.Test(f)
		if _, absent := errors.AsType[*condition.AbsentError](err); absent {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("route %d of server %s: %w", i+1, s.server, err)
		}
		if truth == condition.True {
			return one.version, nil
		}
	}
	return "", nil
}

// place puts a caller on one of Whole places, the same each time, and for each server another one.
func (s *Split) place(key []byte) int {
	h := sha256.New()
	h.Write(key)
	h.Write([]byte(s.server))
	var sum [sha256.Size]byte
	return int(binary.BigEndian.Uint64(h.Sum(sum[:0])) % Whole)
}
