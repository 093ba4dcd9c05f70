package engine

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// index finds the rules that can apply to a message without looking at the others. Every rule
// stands in it by what its match spells out: the method, then the server, then the name of
// the tool, prompt or resource. What stands under the right names is still asked whether it
// applies, so the index may offer too many rules, never too few.
type index struct {
	methods map[string]*byServer
	any     *byServer // rules whose methods are not spelled out
}

type byServer struct {
	servers map[string]*byName
	any     *byName // rules whose servers are not spelled out
}

// byName holds rules by a name, or by what a name must begin with.
type byName struct {
	always   []*rule            // rules that name nothing
	exact    map[string][]*rule // rules that spell out names
	prefixes map[string][]*rule // rules with a glob that begins so
	lengths  []int              // of prefixes, ascending
}

func newIndex(rules []*rule) *index {
	x := &index{methods: map[string]*byServer{}, any: newByServer()}
	for _, r := range rules {
		methods, ok := r.match.methods.literals()
		if !ok {
			x.any.add(r)
			continue
		}
		for _, m := range methods {
			if x.methods[m] == nil {
				x.methods[m] = newByServer()
			}
			x.methods[m].add(r)
		}
	}
	return x
}

func newByServer() *byServer {
	return &byServer{servers: map[string]*byName{}, any: newByName()}
}

func (s *byServer) add(r *rule) {
	servers, ok := r.match.servers.literals()
	if !ok {
		s.any.add(r)
		return
	}
	for _, name := range servers {
		if s.servers[name] == nil {
			s.servers[name] = newByName()
		}
		s.servers[name].add(r)
	}
}

func newByName() *byName {
	return &byName{exact: map[string][]*rule{}, prefixes: map[string][]*rule{}}
}

func (n *byName) add(r *rule) {
	// A rule that names more than one kind of thing stands under the first; it is asked for
	// the others when it is found.
	gs := r.match.tools
	for _, more := range []globs{r.match.prompts, r.match.resources} {
		if gs == nil {
			gs = more
		}
	}
	if gs == nil {
		n.always = append(n.always, r)
		return
	}
	for _, g := range gs {
		if name, ok := g.Literal(); ok {
			n.exact[name] = append(n.exact[name], r)
			continue
		}
		prefix := g.String()
		if i := strings.IndexAny(prefix, "*?"); i >= 0 {
			prefix = prefix[:i]
		}
		n.prefixes[prefix] = append(n.prefixes[prefix], r)
		if at, found := slices.BinarySearch(n.lengths, len(prefix)); !found {
			n.lengths = slices.Insert(n.lengths, at, len(prefix))
		}
	}
}

// candidates appends the rules that apply to a message, in order. about is what the message
// is about, blank as for rule.appliesTo.
func (x *index) candidates(to []*rule, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	if s := x.methods[in.Method]; s != nil {
		to = s.collect(to, in, about, blank)
	}
	to = x.any.collect(to, in, about, blank)
	sorted := slices.IsSortedFunc(to, byOrder)
	if !sorted {
		slices.SortFunc(to, byOrder)
	}
	return slices.Compact(to)
}

func byOrder(a, b *rule) int { return a.order - b.order }

func (s *byServer) collect(to []*rule, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	if n := s.servers[in.Server]; n != nil {
		to = n.collect(to, in, about, blank)
	}
	return s.any.collect(to, in, about, blank)
}

func (n *byName) collect(to []*rule, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	to = keep(to, n.always, in, about, blank)
	if len(n.exact) == 0 && len(n.lengths) == 0 {
		return to
	}
	if about&condition.Tool != 0 {
		to = n.named(to, in.Tool, in, about, blank)
	}
	if about&condition.Prompt != 0 {
		to = n.named(to, in.Prompt, in, about, blank)
	}
	if about&condition.Resource == 0 {
		return to
	}
	if blank && in.Resource == "" {
		return n.all(to, in, about, blank)
	}
	return n.named(to, in.Resource, in, about, blank)
}

func (n *byName) named(to []*rule, name string, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	to = keep(to, n.exact[name], in, about, blank)
	for _, length := range n.lengths {
		if length > len(name) {
			break
		}
		to = keep(to, n.prefixes[name[:length]], in, about, blank)
	}
	return to
}

// all is named for a name that is not known.
func (n *byName) all(to []*rule, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	for _, rules := range n.exact {
		to = keep(to, rules, in, about, blank)
	}
	for _, rules := range n.prefixes {
		to = keep(to, rules, in, about, blank)
	}
	return to
}

func keep(to, rules []*rule, in *condition.Input, about condition.Subjects, blank bool) []*rule {
	for _, r := range rules {
		if r.appliesTo(in, about, blank) {
			to = append(to, r)
		}
	}
	return to
}
