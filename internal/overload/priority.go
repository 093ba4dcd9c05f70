package overload

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Kind is what a request is to the gateway that is short of something.
type Kind uint8

// The kinds. The zero Kind is refused by the priorities of a config only.
const (
	Call   Kind = iota // what somebody waits for: calls of tools, reads, prompts, and answers that are fetched later
	Stream             // what stays: it holds connections for as long as its client likes
	List               // what begins something, and can be asked again: lists, handshakes, completions
	Exempt             // what gives back more than it takes: refusing it would make things worse
)

// KindOf gives the kind of a request by its method. What is no request is Exempt: it ends something, or somebody waits for it, and who sends it
// can't be told to send it again.
func KindOf(method string) Kind {
	switch method {
	case "subscriptions/listen", "resources/subscribe":
		return Stream
	case "initialize", "server/discover", "completion/complete":
		return List
	case "ping", "resources/unsubscribe", "tasks/cancel": // who gets no answer to a ping connects anew
		return Exempt
	}
	switch m := mcp.LookupMethod(method); {
	case m == nil:
		return Call
	case m.Notification:
		return Exempt
	case m.List != "":
		return List
	}
	return Call
}

// Priority says from where on a request is refused.
type Priority struct {
	Name  string
	At    Level // 0: never
	Cause error // of a priority that can't be told: the condition has failed
}

// Sheds says whether a request of the priority is refused at a level.
func (p Priority) Sheds(level Level) bool { return p.At > 0 && level >= p.At }

// The priorities of requests that a config says nothing of.
var kinds = [...]Priority{
	Call:   {Name: "calls"},
	Stream: {Name: "streams", At: Percent(80)},
	List:   {Name: "lists", At: Percent(90)},
	Exempt: {Name: "exempt"},
}

// unknown is the priority of a request of which it can't be told.
const unknown = "unknown"

// Spec is a priority as a config says it.
type Spec struct {
	Name string
	When source.Text // a condition on the request and its caller
	At   Level       // 0: never
}

// Set is the priorities of a config. The nil Set has those of the kinds only. It is immutable and safe for concurrent use.
type Set struct {
	env    *condition.Env
	all    []priority
	lowest Level
	early  bool
}

type priority struct {
	Priority
	when *condition.Condition
}

// Compile makes the Set of the specs, of which the first that holds decides. Names are distinct.
func Compile(specs []Spec) (*Set, source.Diagnostics) {
	if len(specs) == 0 {
		return nil, nil
	}
	env, err := condition.New(condition.Options{CostLimit: condition.DefaultCostLimit})
	if err != nil {
		return nil, source.Diagnostics{{Message: err.Error()}}
	}
	s := &Set{env: env, lowest: (*Set)(nil).Lowest(), early: true}
	var ds source.Diagnostics
	for i := range specs {
		spec := &specs[i]
		when, found := env.Compile(spec.When, condition.Bool, env.NewVariables(false))
		if ds = append(ds, found...); when == nil {
			continue
		}
		s.all = append(s.all, priority{Priority{Name: spec.Name, At: spec.At}, when})
		if spec.At > 0 {
			s.lowest = min(s.lowest, spec.At)
		}
		s.early = s.early && readsHead(when)
	}
	if ds.HasErrors() {
		return nil, ds
	}
	return s, ds
}

// readsHead says whether a condition reads nothing that stands in a request's body only.
func readsHead(c *condition.Condition) bool {
	for _, field := range c.Reads() {
		known := field == "mcp.method" || field == "now"
		for _, of := range []string{"principal", "jwt", "apiKey", "source", "request.headers"} {
			known = known || field == of || strings.HasPrefix(field, of+".") || strings.HasPrefix(field, of+"[")
		}
		if !known {
			return false
		}
	}
	return true
}

// Lowest is the level below which nothing is refused.
func (s *Set) Lowest() Level {
	if s == nil {
		return kinds[Stream].At
	}
	return s.lowest
}

// Early says whether the head of a request tells its priority, where its method is in it.
func (s *Set) Early() bool { return s == nil || s.early }

// Of gives the priority of a request: the first of the config that holds, or else that of its kind. One that can't be told is the lowest, for a
// caller must not rise by what makes a condition fail.
func (s *Set) Of(ctx context.Context, r *engine.Request, k Kind) Priority {
	if s == nil || k == Exempt {
		return kinds[k]
	}
	f := s.env.NewFrame()
	defer f.Close()
	in := &f.Input
	in.Method, in.Server, in.Tool, in.Prompt, in.Resource = r.Method, r.Server, r.Tool, r.Prompt, r.Resource
	in.Arguments, in.Params, in.Annotations = r.Arguments, r.Params, r.Annotations
	in.Principal, in.Source, in.Header, in.Time = r.Principal, r.Source, r.Header, r.Time
	f.Open(ctx)
	for i := range s.all {
		p := &s.all[i]
		truth, err := p.when.Test(f)
		if _, absent := errors.AsType[*condition.AbsentError](err); absent {
			continue // it is of other requests
		}
		if err != nil {
			return Priority{Name: unknown, At: s.lowest, Cause: fmt.Errorf("priority %s: %w", p.Name, err)}
		}
		if truth == condition.True {
			return p.Priority
		}
	}
	return kinds[k]
}
