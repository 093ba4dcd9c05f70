package mcp

import (
	"iter"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// FilterList leaves out of a list result the items that keep refuses, and says
// how many. field is Method.List. What isn't a list, or an item that isn't an
// object, is left out too: nobody could have judged it.
func FilterList(result jsonscan.Value, field string, keep func(item jsonscan.Value) bool, e *jsonscan.Edits) (removed int) {
	list := result.Get(field)
	if !list.Exists() {
		return 0
	}
	if list.Kind() != jsonscan.Array {
		e.Replace(list, []byte("[]"))
		return 1
	}
	for c := list.Cursor(); c.Next(); {
		item := c.Value()
		if item.Kind() == jsonscan.Object && keep(item) {
			continue
		}
		e.Remove(item)
		removed++
	}
	return removed
}

// MakePrivate turns the hint that a result may be shared between callers
// (cacheScope "public") into the one that it may not, and says whether it did.
// A result that was filtered for its caller must not be shared.
func MakePrivate(result jsonscan.Value, e *jsonscan.Edits) bool {
	scope := result.Get("cacheScope")
	if !scope.Exists() || scope.TextIs("private") {
		return false
	}
	return e.Replace(scope, []byte(`"private"`))
}

// InputRequest is one thing that a result asks of the client: what until
// 2025-11-25 was a request of its own.
type InputRequest struct {
	Key    jsonscan.Value // its name in the map
	Method string         // "" when the entry is malformed
	Params jsonscan.Value
	Entry  jsonscan.Value
}

// InputRequests walks what a result asks of the client. It goes by the member
// inputRequests alone, not by resultType: a client may act on either.
func InputRequests(result jsonscan.Value) iter.Seq[InputRequest] {
	return func(yield func(InputRequest) bool) {
		for c := result.Get("inputRequests").Cursor(); c.Next(); {
			entry := c.Value()
			r := InputRequest{Key: c.Name(), Method: entry.Get("method").Text(), Params: entry.Get("params"), Entry: entry}
			if spec := byName[r.Method]; spec != nil {
				r.Method = spec.Name
			}
			if !yield(r) {
				return
			}
		}
	}
}

// InputRequired reports whether a result asks for input instead of answering.
func InputRequired(result jsonscan.Value) bool {
	return result.Get("resultType").TextIs("input_required") || result.Get("inputRequests").Exists()
}
