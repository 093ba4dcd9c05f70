package toolset

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// hidden warns of text of a tool that holds what people don't see and a model reads: at most once for each value.
func hidden(n *source.Node, tool string) (ds source.Diagnostics) {
	check := func(text *source.Node) {
		if text.Kind() != source.String {
			return
		}
		for _, r := range text.Text().Value {
			if hides(r) {
				ds = append(ds, text.Pos().Warn("SP7003",
					fmt.Sprintf("the tool `%s` has a text with the invisible character U+%04X", source.Brief(tool), r),
					"read it as a model would before you let the tool be called"))
				return
			}
		}
	}
	n.Walk(func(v *source.Node) {
		check(v)
		for key := range v.Fields() {
			check(key)
		}
	})
	return ds
}

// hides says that a character is worth a warning: not one that ends a line or makes a symbol an emoji.
func hides(r rune) bool {
	return invisible(r) && r != '\n' && r != '\t' && r != '\r' && r != 0xfe0e && r != 0xfe0f
}
