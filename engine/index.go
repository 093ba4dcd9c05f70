package engine

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// index finds the rules that can apply to a message without looking at the others. Every rule
// stands in it by what its match spells out: the method, then the server, then the name of
// the tool, prompt or resource. What stands under the right names is still asked whether it
// applies unless its match is plain, so the index may offer too many rules, never too few.
type index struct {
	methods map[string]*byServer
	any     *byServer // rules whose methods are not spelled out
}

type byServer struct {
	servers map[string]*byName
	any     *byName // rules whose servers are not spelled out
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
	return &byServer{servers: map[string]*byName{}, any: new(byName)}
}

func (s *byServer) add(r *rule) {
	servers, ok := r.match.servers.literals()
	if !ok {
		s.any.add(r)
		return
	}
	for _, name := range servers {
		if s.servers[name] == nil {
			s.servers[name] = new(byName)
		}
		s.servers[name].add(r)
	}
}

// byName holds rules by the kind of thing that they name.
type byName struct {
	always []*rule // rules that name nothing
	kinds  [kinds]names
}

// kind is what a match can name.
type kind int

const (
	tools kind = iota
	prompts
	resources
	kinds
)

// subject returns what a message must be about to have a name of the kind.
func (k kind) subject() condition.Subjects {
	return [kinds]condition.Subjects{condition.Tool, condition.Prompt, condition.Resource}[k]
}

func (k kind) name(in *condition.Input) string {
	return [kinds]string{in.Tool, in.Prompt, in.Resource}[k]
}

func (k kind) globs(m *match) globs { return [kinds]globs{m.tools, m.prompts, m.resources}[k] }

// names holds rules by a name, or by what a name must begin with.
type names struct {
	exact    map[string][]*rule // rules that spell out names
	prefixes map[string][]*rule // rules with a glob that begins so
	lengths  []int              // of prefixes, ascending
}

func (n *byName) add(r *rule) {
	// A rule that names more than one kind of thing stands under the first; it is asked for
	// the others when it is found.
	for k := range kinds {
		if gs := k.globs(r.match); gs != nil {
			n.kinds[k].add(r, gs)
			return
		}
	}
	n.always = appendOnce(n.always, r)
}

func (n *names) add(r *rule, gs globs) {
	if n.exact == nil {
		n.exact, n.prefixes = map[string][]*rule{}, map[string][]*rule{}
	}
	for _, g := range gs {
		if name, ok := g.Literal(); ok {
			n.exact[name] = appendOnce(n.exact[name], r)
			continue
		}
		prefix := g.String()
		if i := strings.IndexAny(prefix, "*?"); i >= 0 {
			prefix = prefix[:i]
		}
		n.prefixes[prefix] = appendOnce(n.prefixes[prefix], r)
		if at, found := slices.BinarySearch(n.lengths, len(prefix)); !found {
			n.lengths = slices.Insert(n.lengths, at, len(prefix))
		}
	}
}

// appendOnce appends a rule, once, however often its match spells out the same name: every list is sorted, without repetitions.
func appendOnce(to []*rule, r *rule) []*rule {
	if n := len(to); n > 0 && to[n-1] == r {
		return to
	}
	return append(to, r)
}

// query is a message as the index is asked about it.
type query struct {
	in     *condition.Input
	about  condition.Subjects
	blank  bool // as for rule.appliesTo
	room   []*rule
	found  []*rule
	shared bool // found is a list of the index
}

// candidates returns the rules that apply to a message, in order. They are in room, or shared with the index: not to be changed.
func (x *index) candidates(room []*rule, in *condition.Input, about condition.Subjects, blank bool) (found []*rule, shared bool) {
	q := query{in: in, about: about, blank: blank, found: room, room: room}
	if s := x.methods[in.Method]; s != nil {
		q.servers(s)
	}
	q.servers(x.any)
	if q.shared {
		return q.found, true
	}
	if !slices.IsSortedFunc(q.found, byOrder) {
		slices.SortFunc(q.found, byOrder)
	}
	return slices.Compact(q.found), false
}

func byOrder(a, b *rule) int { return a.order - b.order }

func (q *query) servers(s *byServer) {
	if len(s.servers) > 0 {
		if n := s.servers[q.in.Server]; n != nil {
			q.names(n)
		}
	}
	q.names(s.any)
}

func (q *query) names(n *byName) {
	q.keep(n.always)
	for k := range kinds {
		if n.kinds[k].exact == nil || q.about&k.subject() == 0 {
			continue
		}
		if k == resources && q.blank && q.in.Resource == "" {
			q.every(&n.kinds[k])
			continue
		}
		q.named(&n.kinds[k], k.name(q.in))
	}
}

func (q *query) named(n *names, name string) {
	q.keep(n.exact[name])
	for _, length := range n.lengths {
		if length > len(name) {
			break
		}
		q.keep(n.prefixes[name[:length]])
	}
}

// every is named for a name that is not known.
func (q *query) every(n *names) {
	for _, rules := range n.exact {
		q.keep(rules)
	}
	for _, rules := range n.prefixes {
		q.keep(rules)
	}
}

// keep takes those of the rules that apply. Most messages meet one list, of which all rules do: that is taken as it is.
func (q *query) keep(rules []*rule) {
	if len(rules) == 0 {
		return
	}
	if len(q.found) == 0 && q.applyAll(rules) {
		q.found, q.shared = rules, true
		return
	}
	if q.shared {
		q.found, q.shared = append(q.room, q.found...), false
	}
	for _, r := range rules {
		if q.applies(r) {
			q.found = append(q.found, r)
		}
	}
}

func (q *query) applyAll(rules []*rule) bool {
	for _, r := range rules {
		if !q.applies(r) {
			return false
		}
	}
	return true
}

func (q *query) applies(r *rule) bool {
	return r.needs&^q.about == 0 && (r.plain || r.appliesTo(q.in, q.about, q.blank))
}
