package condition

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/parser"
)

// newParser makes the parser of what is written without a mistake. cel-go has two for one language; environments only offer the older one,
// which takes nearly half of the time and two fifths of the garbage of all compiling.
func newParser(env *cel.Env) (*parser.Parser, error) {
	return parser.NewParser(
		parser.EnablePrattParser(true),
		parser.EnableOptionalSyntax(true),
		parser.Macros(env.Macros()...),
		parser.PopulateMacroCalls(true),
		parser.ExpressionSizeCodePointLimit(maxExpression),
		parser.MaxRecursionDepth(maxNesting),
		parser.MaxExpressionNodeCount(maxNodes),
	)
}

// parse parses a text. Whether it is one without a mistake, and what is said of those, is for the environment's own parser to say.
func (e *Env) parse(text string) (*cel.Ast, *cel.Issues) {
	src := common.NewTextSource(text)
	if disputed(text) {
		return e.phases[0].ParseSource(src)
	}
	parsed, errs := e.parser.Parse(src)
	if len(errs.GetErrors()) > 0 {
		return e.phases[0].ParseSource(src)
	}
	out := cel.ParsedExprToAstWithSource(nil, src) // an empty one: there is no way to make one of what was parsed
	*out.NativeRep() = *parsed
	return out, nil
}

// maxOpened is how many parts may open in a text that the newer parser reads. One part in another adds at most three to what the
// environment's parser counts to end at maxNesting (a sum, its last summand, and the last factor of that), and one to what the newer counts.
const maxOpened = maxNesting/3 - 1

// disputed says whether a text may hold what one parser takes and the other has for a mistake: parts in parts, deeper than one of them goes,
// and the literals 0X1 and rb"a", which the language writes 0x1 and br"a".
func disputed(text string) bool {
	opened := 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{', '?':
			if opened++; opened > maxOpened {
				return true
			}
		case 'X':
			if i > 0 && text[i-1] == '0' {
				return true
			}
		case '"', '\'':
			if i > 1 && text[i-1]|0x20 == 'b' && text[i-2]|0x20 == 'r' {
				return true
			}
		}
	}
	return false
}
