package condition

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"github.com/google/go-cmp/cmp"
)

// wellFormed are expressions with each part of the language.
var wellFormed = []string{
	`1`, `-1`, `- 1`, `-(-1)`, `--a`, `---a`, `!a`, `!!a`, `!!!a`, `-a.b`, `-1.f()`, `0x1F`, `-0x1F`, `7u`, `0xFFu`, `1.5`, `.5`, `1e3`, `-1.5e-3`,
	`9223372036854775807`, `-9223372036854775808`, `true`, `false`, `null`,
	`"a\n\u00e9\x41\101"`, `'it"s'`, `r"\d+"`, `R'\s'`, "\"\"\"a\n\"b\"\"\"\"", `b"\xff"`, `br'\x'`, `"\U0001F600"`,
	`a`, `.a`, `.a.b`, `a.b.c`, `a.?b`, `a.?b.?c.d`, `a[0]`, `a[?0]`, `a["b"].c[1u]`, "a.`b-c`", "a.`b c/d.e`", `a.in`, `a.for.while`,
	`f()`, `.f(1)`, `f(a, b, c)`, `a.f()`, `a.b.f(c.g(d))`, `a.f()[1].g()`,
	`[]`, `[1, 2]`, `[1, 2,]`, `[?a, b]`, `{}`, `{"a": 1}`, `{"a": 1, ?b: c,}`, `[[1], [2]]`, `{1: {2: [3]}}`, `a.B{}`, `.a.B{c: 1}`, `B{c: 1, d: {}}`,
	`1 + 2 * 3 - 4 / 5 % 6`, `(1 + 2) * 3`, `a - -1`, `a == b`, `a != b`, `a < b == c`, `a <= b`, `a >= b`, `a > b`, `a in b in c`, `-a in [b]`,
	`a && b`, `a || b && c`, `a && b && c && d && e`, `a || b || c || d || e || f`, `(a || b) && !(c && d)`, `!a && !b || !c`,
	`a ? b : c`, `a ? b : c ? d : e`, `a || b ? c && d : e || f`, `(a ? b : c) ? d : e`, `a ? (b ? c : d) : e`,
	`has(a.b)`, `has(a.b.c)`, `!has(a.b) || a.b > 1`, `a.all(x, x > 1)`, `a.exists(x, x.exists(y, y == x))`, `a.exists_one(x, x)`, `a.existsOne(x, x)`,
	`a.map(x, x + 1)`, `a.map(x, x > 1, x + 1)`, `a.filter(x, x)`, `a.all(i, v, v > i)`, `a.transformList(i, v, v)`, `a.transformMap(k, v, v > 1, v)`,
	`cel.bind(x, a.b, x + x)`, `cel.bind(x, 1, cel.bind(y, x, x + y))`, `a.optMap(x, x)`, `a.optFlatMap(x, x)`, `optional.of(a).orValue(b)`,
	`math.greatest(1, 2, 3)`, `math.least(a, b)`, `"%s: %d".format([a, b])`, "a // why\n && b", "  a\n\t== b\r\n", `"é" + args.ü`, `"é" == a.b`,
	`"role" in principal.groups && args.limit <= 100 && args.path.startsWith("/srv/docs/")`, `((((a))))`, `(((a)) + (b)).c`, `((a).b(c))[d]`,
}

// What is written without a mistake is parsed as the environment's own parser does, to the last number of a part.
func TestParse_isAsTheEnvironments(t *testing.T) {
	env, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range wellFormed {
		got, issues := env.parse(text)
		if issues.Err() != nil {
			if _, own := env.phases[0].Parse(text); own.Err() == nil {
				t.Errorf("%s: %v", text, issues)
			}
			continue
		}
		if _, errs := env.parser.Parse(common.NewTextSource(text)); len(errs.GetErrors()) > 0 {
			t.Errorf("%s: is left to the environment's own: %s", text, errs.ToDisplayString())
		}
		want, issues := env.phases[0].Parse(text)
		if issues.Err() != nil {
			t.Errorf("%s: is parsed, though it has a mistake: %v", text, issues)
			continue
		}
		if diff := cmp.Diff(drawn(want.NativeRep()), drawn(got.NativeRep())); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
		if got.Source().Content() != text {
			t.Errorf("%s: its source is %q", text, got.Source().Content())
		}
	}
}

// Mistakes are told in the words of the environment's own parser.
func TestParse_tellsMistakesAsTheEnvironment(t *testing.T) {
	env, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		``, `a ==`, `a &&`, `(a`, `a)`, `[1, 2`, `{1}`, `a..b`, `1 2`, `"a`, `'a\q'`, `a | b`, `a & b`, `for`, `in`, `a ? b`, `1.2.3`, `99999999999999999999`,
		`0X1`, `a + 0X1Fu`, `rb"a"`, `Rb'a' == a`, `f(rB"a")`, `f(a,)`, `a.all(1, 2)`, `has(a)`, "`a`", "a.`b\"`", `@`, `!-a`, `a = b`, strings.Repeat("[", 120) + strings.Repeat("]", 120), strings.Repeat("a", maxExpression+1),
	} {
		_, got := env.parse(text)
		_, want := env.phases[0].Parse(text)
		if want.Err() == nil || fmt.Sprint(got.Err()) != fmt.Sprint(want.Err()) {
			t.Errorf("%.60q: %v\nwant %v", text, got.Err(), want.Err())
		}
	}
}

// Nothing is let through that is deeper than the environment's own parser goes.
func TestParse_isNoDeeperThanTheEnvironments(t *testing.T) {
	env, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][3]string{
		"lists": {"[", "1", "]"}, "maps": {"{1:", "1", "}"}, "calls": {"f(", "1", ")"}, "indexes": {"a[", "1", "]"}, "choices": {"a ? b : ", "c", ""},
		"selections": {"", "a", ".b"}, "member calls": {"", "a", ".b()"}, "sums": {"a + ", "a", ""}, "macros": {"a.exists(b, ", "b", ")"}, "parentheses": {"(", "1", ")"},
		"factors in maps": {"a + a * {1:", "1", "}"}, "parentheses in lists": {"[((((((((", "1", "))))))))]"},
		"comparisons in calls": {"a == f(", "1", ")"}, "factors in parentheses": {"a + a * (", "1", ")"},
	} {
		for _, n := range []int{maxOpened - 1, maxOpened, maxOpened + 1, maxOpened + 2, maxNesting / 2, maxNesting - 2, maxNesting - 1, maxNesting, maxNesting + 1} {
			text := strings.Repeat(parts[0], n) + parts[1] + strings.Repeat(parts[2], n)
			_, got := env.parse(text)
			_, want := env.phases[0].Parse(text)
			if (got.Err() == nil) != (want.Err() == nil) {
				t.Errorf("%d %s: %v, want %v", n, name, got.Err(), want.Err())
			}
		}
	}
}

// drawn is all that is known of an expression that was parsed: its parts with their numbers, where they begin, and the macros that they
// come from. Where a part ends nobody asks. The place of a leading dot's name is not compared: one parser begins it with the dot.
func drawn(a *ast.AST) []string {
	info := a.SourceInfo()
	lines := []string{outline(a.Expr())}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		start := info.GetStartLocation(e.ID())
		if e.Kind() == ast.IdentKind && strings.HasPrefix(e.AsIdent(), ".") {
			start = common.NoLocation
		}
		lines = append(lines, fmt.Sprintf("%d at %d:%d", e.ID(), start.Line(), start.Column()))
		if macro, ok := info.GetMacroCall(e.ID()); ok {
			lines = append(lines, fmt.Sprintf("%d from %s", e.ID(), outline(macro)))
		}
	}))
	return lines
}

// outline is an expression with the numbers of its parts.
func outline(e ast.Expr) string {
	all := func(es []ast.Expr) string {
		var b strings.Builder
		for _, e := range es {
			b.WriteString(outline(e) + ", ")
		}
		return b.String()
	}
	var what string
	switch e.Kind() {
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			what = outline(c.Target()) + "."
		}
		what += c.FunctionName() + "(" + all(c.Args()) + ")"
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		what = fmt.Sprintf("fold(%s %s %s %s)", c.IterVar(), c.IterVar2(), c.AccuVar(),
			all([]ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}))
	case ast.IdentKind:
		what = e.AsIdent()
	case ast.LiteralKind:
		what = fmt.Sprintf("%T %v", e.AsLiteral(), e.AsLiteral().Value())
	case ast.ListKind:
		what = fmt.Sprintf("[%s %v]", all(e.AsList().Elements()), e.AsList().OptionalIndices())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			what += fmt.Sprintf("%d %v %s: %s, ", entry.ID(), m.IsOptional(), outline(m.Key()), outline(m.Value()))
		}
	case ast.SelectKind:
		what = fmt.Sprintf("%s.%s %v", outline(e.AsSelect().Operand()), e.AsSelect().FieldName(), e.AsSelect().IsTestOnly())
	case ast.StructKind:
		what = e.AsStruct().TypeName()
		for _, field := range e.AsStruct().Fields() {
			f := field.AsStructField()
			what += fmt.Sprintf("{%d %v %s: %s}", field.ID(), f.IsOptional(), f.Name(), outline(f.Value()))
		}
	case ast.UnspecifiedExprKind:
	}
	return fmt.Sprintf("<%d %d %s>", e.ID(), e.Kind(), what)
}
