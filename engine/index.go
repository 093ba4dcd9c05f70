package engine

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// index finds the rules that can apply to a message without looking at the others. Every rule stands in it by its match: the
// method, then the server, then the name of the tool, prompt or resource, each under its globs. What stands under the right names is
// still asked whether it applies unless its match is plain, so the index may offer too many rules, never too few.
type index struct{ methods patterns[byServer] }

type byServer struct{ servers patterns[byName] }

func newIndex(rules []*rule) *index {
	x := new(index)
	for _, r := range rules {
		if r.match.methods == nil {
			x.methods.everything().add(r)
		}
		for _, g := range r.match.methods {
			x.methods.under(g).add(r)
		}
	}
	return x
}

func (s *byServer) add(r *rule) {
	if r.match.servers == nil {
		s.servers.everything().add(r)
	}
	for _, g := range r.match.servers {
		s.servers.under(g).add(r)
	}
}

// byName holds rules by the kind of thing that they name.
type byName struct {
	always rules // that name nothing
	kinds  [kinds]patterns[rules]
}

// rules are sorted, without repetitions.
type rules []*rule

// add adds a rule behind all that are there, once, however often its match spells out the same.
func (rs *rules) add(r *rule) {
	if n := len(*rs); n == 0 || (*rs)[n-1] != r {
		*rs = append(*rs, r)
	}
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

func (n *byName) add(r *rule) {
	// A rule that names more than one kind of thing stands under the first; it is asked for
	// the others when it is found.
	for k := range kinds {
		if gs := k.globs(r.match); gs != nil {
			for _, g := range gs {
				n.kinds[k].under(g).add(r)
			}
			return
		}
	}
	n.always.add(r)
}

// query is a question to the index. It doesn't hold the message, which would have to be on the heap then.
type query struct {
	about  condition.Subjects
	blank  bool // as for rule.appliesTo
	room   rules
	found  rules
	shared bool // found is a list of the index
}

// candidates returns the rules that apply to a message, in order. They are in room, or shared with the index: not to be changed.
func (x *index) candidates(room []*rule, in *condition.Input, about condition.Subjects, blank bool) (found []*rule, shared bool) {
	q := query{about: about, blank: blank, found: room, room: room}
	var places [8]*byServer
	for _, s := range x.methods.find(places[:0], in.Method) {
		q.servers(in, s)
	}
	if q.shared {
		return q.found, true
	}
	if !slices.IsSortedFunc(q.found, byOrder) {
		slices.SortFunc(q.found, byOrder)
	}
	return slices.Compact(q.found), false
}

func byOrder(a, b *rule) int { return a.order - b.order }

func (q *query) servers(in *condition.Input, s *byServer) {
	var places [8]*byName
	for _, n := range s.servers.find(places[:0], in.Server) {
		q.names(in, n)
	}
}

func (q *query) names(in *condition.Input, n *byName) {
	q.keep(in, n.always)
	for k := range kinds {
		if q.about&k.subject() == 0 {
			continue
		}
		if k == resources && q.blank && in.Resource == "" { // which one it will be is not known
			for rs := range n.kinds[k].all {
				q.keep(in, *rs)
			}
			continue
		}
		var places [8]*rules
		for _, rs := range n.kinds[k].find(places[:0], k.name(in)) {
			q.keep(in, *rs)
		}
	}
}

// keep takes those of the rules that apply. Most messages meet one list, of which all rules do: that is taken as it is.
func (q *query) keep(in *condition.Input, rules rules) {
	if len(rules) == 0 {
		return
	}
	if len(q.found) == 0 && q.applyAll(in, rules) {
		q.found, q.shared = rules, true
		return
	}
	if q.shared {
		q.found, q.shared = append(q.room, q.found...), false
	}
	for _, r := range rules {
		if q.applies(in, r) {
			q.found = append(q.found, r)
		}
	}
}

func (q *query) applyAll(in *condition.Input, rules rules) bool {
	for _, r := range rules {
		if !q.applies(in, r) {
			return false
		}
	}
	return true
}

func (q *query) applies(in *condition.Input, r *rule) bool {
	return r.needs&^q.about == 0 && (r.plain || r.appliesTo(in, q.about, q.blank))
}
