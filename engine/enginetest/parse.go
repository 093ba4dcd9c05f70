package enginetest

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Suite is a document of cases.
type Suite struct {
	File, Name string
	policies   []source.Text
	cases      []*single
	named      named // by mocks

	of  *bundle.Bundle // that it lies in; nil: it lies in a directory
	dir string         // of its file within the bundle
}

// Len returns the number of cases, each combination of a matrix counted.
func (s *Suite) Len() int { return len(s.cases) }

// Requests are the messages that the cases' calls decide, in their order.
func (s *Suite) Requests() (out []*engine.Request) {
	for _, c := range s.cases {
		if c.request != nil {
			out = append(out, c.request)
		}
	}
	return out
}

// Sources are the files and directories that `policies` names.
func (s *Suite) Sources() []string {
	var out []string
	for _, p := range s.policies {
		name := p.Value
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(s.File), name)
		}
		out = append(out, name)
	}
	return out
}

// Bundle reads the policies that decide, and the modules of their plugins. Its error is a source.Diagnostics.
func (s *Suite) Bundle() (*bundle.Bundle, error) {
	if s.of != nil {
		return s.within()
	}
	paths := s.Sources()
	var found source.Diagnostics
	for i, p := range s.policies {
		if _, err := os.Stat(paths[i]); err != nil {
			found = append(found, p.Pos().Diagnose("SP5005", fmt.Sprintf("`%s` can't be read", source.Brief(p.Value)), "paths go from the directory of this file; build a plugin before its cases are run"))
		}
	}
	if len(found) > 0 {
		return nil, found
	}
	b, err := bundle.Of(paths...)
	if err != nil {
		return nil, source.Diagnostics{s.policies[0].Pos().Diagnose("SP5005", err.Error(), "name files of policies, modules of plugins, or directories of them")}
	}
	return b, nil
}

// within takes the policies from the bundle that the cases lie in.
func (s *Suite) within() (*bundle.Bundle, error) {
	paths := make([]string, 0, len(s.policies))
	for _, p := range s.policies {
		paths = append(paths, path.Join(s.dir, p.Value))
		if path.IsAbs(p.Value) || !s.of.Has(paths[len(paths)-1]) {
			return nil, source.Diagnostics{p.Pos().Diagnose("SP5005", fmt.Sprintf("`%s` is not in the bundle", source.Brief(p.Value)), "cases in a bundle are run on what is in it; paths go from the directory of this file")}
		}
	}
	b, err := s.of.Select(paths...)
	if err != nil {
		return nil, source.Diagnostics{s.policies[0].Pos().Diagnose("SP5005", err.Error(), "name a file of policies, or a directory of them")}
	}
	return b, nil
}

// message is one message, with who sends it.
type message struct {
	Principal *principal `yaml:"principal"`
	Call      *call      `yaml:"call" jsonschema:"required"`
}

// ParseCall reads one message: a mapping with a `call` as cases have it, and a `principal` who sends it; an anonymous one if it is left
// out.
func ParseCall(file string, data []byte) (*engine.Request, source.Diagnostics) {
	roots, ds := source.Parse(file, data)
	if i := slices.IndexFunc(roots, isCases); i >= 0 && !ds.HasErrors() {
		kind := cmp.Or(roots[i].Get("kind"), roots[i])
		return nil, append(ds, kind.Pos().Diagnose("SP5001", "these are cases, and not one message", "`sallyport plugin test` runs them; a message is what a case has as `call`, with the `principal` who sends it"))
	}
	if len(roots) != 1 {
		if len(ds) == 0 {
			ds = append(ds, source.Pos{File: file, Line: 1, Column: 1, Width: 1}.Diagnose("SP1010", "there must be one message", "write `call: { tool: SERVER/TOOL, args: {} }`"))
		}
		return nil, ds
	}
	var m message
	if ds = append(ds, roots[0].Decode(&m)...); ds.HasErrors() {
		return nil, ds
	}
	b := builder{now: frozen, principals: map[string]*who{"": anonymous}}
	v := &values{}
	if m.Principal != nil {
		b.principals[""] = v.principal(*m.Principal, roots[0].Get("principal"))
	}
	b.callShape(m.Call, &expect{}, roots[0].Get("call"), func(at *source.Node, message, help string) {
		v.report(at.Pos(), "SP5001", message, help)
	})
	var r *engine.Request
	if len(v.found) == 0 {
		r = b.request(m.Call, v)
	}
	return r, append(ds, v.found...).Sort()
}

// frozen is the time of decisions whose case says none.
var frozen = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Parse reads the documents of cases of a file; others are passed over. It returns every mistake found. Policies are not read here.
func Parse(file string, data []byte) ([]*Suite, source.Diagnostics) {
	roots, ds := source.Parse(file, data)
	var suites []*Suite
	for _, root := range roots {
		if !isCases(root) {
			continue
		}
		var d document
		found := root.Decode(&d)
		suites, ds = append(suites, &Suite{File: file, Name: d.Metadata.Name, policies: d.Policies}), append(ds, found...)
		if !found.HasErrors() {
			b := builder{document: &d, suite: suites[len(suites)-1], root: root}
			b.build()
			ds = append(ds, b.found...)
		}
	}
	return suites, ds.Sort()
}

// isCases says whether a document is one of cases, or is meant to be one and has a mistake in its kind.
func isCases(root *source.Node) bool {
	if root.Get("kind") == nil {
		return root.Get("cases") != nil && strings.HasPrefix(root.Get("apiVersion").Text().Value, "sallyport/")
	}
	kind := root.Get("kind").Text().Value
	word, near := source.Suggest(kind, []string{Kind})
	return kind == Kind || near && word == Kind
}

// builder makes the cases of a document.
type builder struct {
	document   *document
	suite      *Suite
	root       *source.Node
	now        time.Time
	principals map[string]*who
	mocks      *standIns // of all cases
	found      source.Diagnostics
}

func (b *builder) build() {
	b.now = frozen
	v := &values{}
	if !b.document.Now.IsZero() {
		b.now = v.time(b.document.Now)
	}
	b.principals = map[string]*who{"": anonymous}
	for name, n := range b.root.Get("principals").Fields() {
		b.principals[name.Text().Value] = v.principal(b.document.Principals[name.Text().Value], n)
	}
	b.mocks = b.standIns(b.document.Mocks, b.root.Get("mocks"), v, &standIns{})
	b.found = append(b.found, v.found...)
	first := map[string]int{}
	for i := range b.document.Cases {
		c := &b.document.Cases[i]
		at := c.Name.Pos()
		if line, twice := first[c.Name.Value]; twice {
			b.found = append(b.found, at.Diagnose("SP5003", fmt.Sprintf("case name `%s` is used twice", source.Brief(c.Name.Value)), fmt.Sprintf("it is first used on line %d", line)))
			continue
		}
		first[c.Name.Value] = at.Line
		b.cases(c, b.root.Get("cases").Index(i))
	}
}

// cases makes one case of each combination of the matrix.
func (b *builder) cases(c *testCase, n *source.Node) {
	if !b.shape(c, n) {
		return
	}
	if len(b.suite.cases)+c.Matrix.count() > maxCases {
		b.found = append(b.found, c.Name.Pos().Diagnose("SP5004", fmt.Sprintf("the cases up to here, with all combinations of their matrixes, are more than %d", maxCases), "split the document"))
		return
	}
	before := len(b.found)
	c.Matrix.combinations(func(chosen []*source.Node) {
		if len(b.found)-before > maxMistakes {
			return
		}
		v := &values{matrix: &c.Matrix, chosen: chosen}
		s := b.single(c, n, v)
		s.name, s.line = v.text(c.Name)+v.suffix(), c.Name.Pos().Line
		b.found = append(b.found, v.found...)
		b.suite.cases = append(b.suite.cases, s)
	})
	if len(b.found) == before {
		b.found = append(b.found, c.Matrix.unused()...)
	}
}

// maxMistakes are enough of those of one case: other combinations most often repeat them.
const maxMistakes = 20

// shape says whether the fields of a case go together.
func (b *builder) shape(c *testCase, n *source.Node) bool {
	before := len(b.found)
	report := func(at *source.Node, message, help string) {
		b.found = append(b.found, at.Pos().Diagnose("SP5001", message, help))
	}
	x := n.Get("expect")
	switch {
	case (c.Call == nil) == (c.List == nil):
		report(n, "a case needs a `call` or a `list`, and not both", "say with `call` what message is decided, or with `list` which tools there are")
	case c.List != nil && c.Expect.Visible == nil:
		report(x, "a case with a `list` expects `visible`", "list the tools that the caller sees, or `visible: []` for none")
	case c.List != nil && x.Len() > 1:
		report(x, "a case with a `list` expects `visible` and nothing else", "write another case with a `call`")
	case c.List != nil && n.Key("mocks") != nil:
		report(n.Key("mocks"), "a case with a `list` asks no plugin", "remove `mocks`")
	case c.Call != nil && c.Expect.Visible != nil:
		report(x.Key("visible"), "`visible` is for a case with a `list`", "remove it")
	case c.Call != nil && c.Expect.Effect.IsZero():
		report(x, "the case doesn't say which `effect` it expects", "add `effect: allow`, `deny` or `approve`")
	case c.Call != nil:
		b.callShape(c.Call, &c.Expect, n.Get("call"), report)
	}
	return len(b.found) == before
}

func (b *builder) callShape(c *call, x *expect, n *source.Node, report func(*source.Node, string, string)) {
	tool := !c.Tool.IsZero()
	for _, name := range []string{"server", "method", "params"} {
		if key := n.Key(name); key != nil && tool {
			report(key, fmt.Sprintf("`%s` doesn't go with `tool`", name), "`tool` and `args` say all of it; leave them out to give server, method and params")
		}
	}
	fromServer := c.From.Value == "server"
	switch {
	case !tool && c.Method.IsZero():
		report(n, "the call has neither a `tool` nor a `method`", "add `tool: SERVER/TOOL`")
	case !tool && c.Args.given():
		report(n.Key("args"), "`args` goes with `tool`", "put them into params, as `arguments`")
	case tool && fromServer:
		report(n.Key("tool"), "a server calls no tools", "give the `method` of what it sends")
	case c.Result.given() && c.Error.given():
		report(n.Key("error"), "an answer has a `result` or an `error`", "make two cases")
	case fromServer && c.Result.given():
		report(n.Key("result"), "`result` is for messages of the client", "remove `from`, or `result`")
	case fromServer && c.Error.given():
		report(n.Key("error"), "`error` is for messages of the client", "remove `from`, or `error`")
	case x.Args.given() && !tool:
		report(n, "`args` is expected of a call without a `tool`", "use `patched`")
	case x.Args.given() && c.Error.given():
		report(n.Key("error"), "a case of the response phase can't expect `args`", "use `patched`: the error as it was changed")
	case x.Args.given() && c.Result.given():
		report(n.Key("result"), "a case of the response phase can't expect `args`", "use `patched`: the result as it was changed")
	}
}

// single makes a case that can be run.
func (b *builder) single(c *testCase, n *source.Node, v *values) *single {
	s := &single{want: b.want(&c.Expect, v), mocks: b.standIns(c.Mocks, n.Get("mocks"), v, b.mocks)}
	if c.Call != nil {
		s.request = b.request(c.Call, v)
		return s
	}
	s.list = b.list(c.List, v, n.Get("list"))
	if c.Expect.Visible != nil {
		s.want.visible = texts(*c.Expect.Visible, v)
	}
	return s
}

func texts(all []source.Text, v *values) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = v.text(t)
	}
	return out
}

// target cuts SERVER/TOOL.
func (v *values) target(t source.Text) (server, tool string) {
	server, tool, ok := strings.Cut(v.text(t), "/")
	if !ok || server == "" || tool == "" {
		v.report(t.Pos(), "SP5004", fmt.Sprintf("`%s` is not a server and its tool", source.Brief(t.Value)), "write SERVER/TOOL, such as `files/read_file`")
	}
	return server, tool
}

func (v *values) time(t source.Text) time.Time {
	at, err := time.Parse(time.RFC3339Nano, v.text(t))
	if err != nil {
		v.report(t.Pos(), "SP5004", fmt.Sprintf("`%s` is not a time", source.Brief(t.Value)), "write it as in 2026-11-22T12:00:00Z")
	}
	return at
}
