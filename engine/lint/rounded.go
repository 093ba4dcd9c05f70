package lint

import (
	"fmt"
	"math"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// rounded looks at a double that is compared with a number of the message: CEL rounds an integer to compare it with one, and from 2^53 on
// not to itself.
func (t *texts) rounded(n *node) {
	switch n.Name {
	case "==", "!=", "<", "<=", ">", ">=", "in":
	default:
		return
	}
	for i, a := range n.Args {
		name := t.read(n.Args[1-i])
		if name == "" {
			continue
		}
		literals := []*node{t.rule.scope.see(a)}
		if n.Name == "in" {
			literals = literals[0].Args
		}
		for _, lit := range literals {
			lit = t.rule.scope.see(lit)
			if d, ok := lit.Value.(float64); ok && lit.Op == condition.OpLiteral && amongIntegers(d) {
				t.add(t.elementAt(t.rule.policy, lit.At), lit.At, codeRounded,
					fmt.Sprintf("`%s` is compared with a double: from 2^53 on it stands for the integers next to it, too", name),
					"write an integer, without fraction and exponent; from 2^63 on with a `u` behind it")
			}
		}
	}
}

// amongIntegers says that there are ints or uints that a double is compared with as if they were others.
func amongIntegers(d float64) bool {
	return math.Abs(d) >= 1<<53 && d >= math.MinInt64 && d <= math.MaxUint64
}
