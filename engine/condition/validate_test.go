package condition

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/google/go-cmp/cmp"
)

// TestValidatorsSayTheSame compares what is said of expressions with what the validators say that see all of them.
func TestValidatorsSayTheSame(t *testing.T) {
	all, err := cel.NewCustomEnv(libraries()...)
	if err != nil {
		t.Fatal(err)
	}
	some, err := all.Extend(filtered(all))
	if err != nil {
		t.Fatal(err)
	}
	long := fmt.Sprintf("'%s'", strings.Repeat("(a{99}b)", 40))
	for expression, valid := range map[string]bool{
		"duration('x') == duration('1s')": false, "duration('1s') == duration('2s')": true,
		"timestamp('x') == timestamp('y')": false, "'a'.matches('(')": false, "'a'.matches('a')": true,
		"'a'.matches(" + long + ")": false, "regex.extract('a', " + long + ").hasValue()": false, "regex.extractAll('a', " + long + ") == []": false,
		"regex.replace('a', " + long + ", 'b') == ''": false, "regex.replace('a', 'a', 'b') == ''": true,
		"[1, 'a'] == []": false, "{1: 2, 'a': 'b'}.size() == 1": false, "has({'a': [1, 'b']}.a)": false, "1 in [1, 2]": true,
		"ip('x').family() == 4": false, "cidr('10.0.0.0/99').prefixLength() == 1": false, "ip('10.0.0.1').family() == 4": true,
		"'%d'.format(['a']) == ''": false, "'%s %d'.format(['a', 1]) == ''": true, "'%s'.format([[1, 'a']]) == ''": true,
		"[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))": false, "[1].all(a, [1].all(b, [1].all(c, true)))": true,
		"[1].all(a, 'a'.matches('('))": false, "cel.bind(a, duration('x'), a == a)": false, "{'a': duration('x')}.size() == 1": false,
		"1 + 1 == 2": true,
	} {
		_, want := all.Compile(expression)
		_, got := some.Compile(expression)
		if valid != (want.Err() == nil) {
			t.Errorf("%s: %v", expression, want.Err())
		}
		if diff := cmp.Diff(fmt.Sprint(want.Err()), fmt.Sprint(got.Err())); diff != "" {
			t.Errorf("%s: %s", expression, diff)
		}
	}
	for _, v := range all.Validators() {
		if _, ok := v.(cel.ASTValidatorConfigurer); judged[v.Name()] == nil && !ok {
			t.Errorf("%s goes over every expression", v.Name())
		}
	}
}
