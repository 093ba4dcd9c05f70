package condition

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// hidden is what a direct says of what a Blank frame doesn't know: CEL's answer would be Unknown. It is for directs alone, which say
// Unknown where CEL must say.
const hidden Truth = Unknown + 1

// test says whether the condition is true, false or hidden; Unknown is that CEL must say.
func (d *direct) test(f *Frame) Truth {
	if d == nil {
		return Unknown
	}
	switch d.op {
	case directAnd:
		return d.join(f, False)
	case directOr:
		return d.join(f, True)
	case directNot:
		return d.left.test(f).not()
	case directIn:
		return d.in(f)
	default:
		return d.ask(f)
	}
}

// ask compares a field of the message.
func (d *direct) ask(f *Frame) Truth {
	if f.Blank && d.hides(f) {
		return hidden
	}
	switch d.op {
	case directPrefix, directSuffix, directContains, directText:
		return d.search(f)
	case directBool, directEqual, directLess, directLessEqual, directGreater, directGreaterEqual:
		return d.compare(f)
	case directNone, directAnd, directOr, directNot, directIn:
	}
	return Unknown
}

// join is true or false as soon as a part is decisive, and hidden if none is and one is that.
func (d *direct) join(f *Frame, decisive Truth) Truth {
	left := d.left.test(f)
	if left == decisive || left == Unknown {
		return left
	}
	right := d.right.test(f)
	if left == hidden && right == decisive.not() {
		return hidden
	}
	return right
}

// hides says that the frame doesn't know the field: what Frame.compute gives for it is unknown.
func (d *direct) hides(f *Frame) bool {
	if d.name.subject&^f.subjects != 0 {
		return false
	}
	switch d.name.slot {
	case slotArguments, slotParams:
		return true
	case slotResourceURI:
		return f.Input.Resource == ""
	case slotAnnotations:
		return !f.Input.Annotations.Exists()
	default:
		return false
	}
}

func (t Truth) not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	default:
		return t
	}
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (d *direct) in(f *Frame) Truth {
	p := f.Input.Principal
	if p == nil {
		return Unknown
	}
	names := p.names(d.list())
	if len(names) > maxListed {
		return Unknown
	}
	for _, s := range names {
		if len(s) > maxListedText {
			return Unknown
		}
	}
	return truth(slices.Contains(names, d.text))
}

func (d *direct) search(f *Frame) Truth {
	s, ok := d.string(f)
	if !ok {
		return Unknown
	}
	switch d.op {
	case directPrefix:
		return truth(strings.HasPrefix(s, d.text))
	case directSuffix:
		return truth(strings.HasSuffix(s, d.text))
	case directContains:
		return truth(strings.Contains(s, d.text))
	default:
		return truth(s == d.text)
	}
}

// string returns the text of the field if it has one that a condition may look into.
func (d *direct) string(f *Frame) (string, bool) {
	if d.name.subject&^f.subjects != 0 {
		return "", false
	}
	if len(d.path) > 0 {
		v := d.value(f)
		if v.Kind() != jsonscan.String || !f.reader.whole(v) {
			return "", false
		}
		return v.Text(), true
	}
	s, ok := d.name.text(&f.Input)
	return s, ok && len(s) <= f.reader.limit
}

// value returns the field of a JSON object, absent if there is none.
func (d *direct) value(f *Frame) jsonscan.Value {
	if d.name.subject&^f.subjects != 0 {
		return jsonscan.Value{}
	}
	var v jsonscan.Value
	switch d.name.slot {
	case slotArguments:
		v = f.Input.Arguments
	case slotParams:
		v = f.Input.Params
	case slotAnnotations:
		v = f.Input.Annotations
	case slotJWT:
		if p := f.Input.Principal; p != nil && p.Kind == KindJWT {
			v = p.Claims
		}
	case slotClaims:
		if p := f.Input.Principal; p != nil {
			v = p.Claims
		}
	default:
	}
	for _, field := range d.path {
		if v.Kind() != jsonscan.Object {
			return jsonscan.Value{}
		}
		v = v.Get(field)
	}
	return v
}

func (d *direct) compare(f *Frame) Truth {
	v := d.value(f)
	if d.op == directBool {
		switch v.Kind() {
		case jsonscan.True:
			return truth(d.yes)
		case jsonscan.False:
			return truth(!d.yes)
		default:
			return Unknown
		}
	}
	if v.Kind() != jsonscan.Number {
		return Unknown
	}
	n, ok := v.Int64()
	if !ok {
		return Unknown
	}
	switch d.op {
	case directLess:
		return truth(n < d.num)
	case directLessEqual:
		return truth(n <= d.num)
	case directGreater:
		return truth(n > d.num)
	case directGreaterEqual:
		return truth(n >= d.num)
	default:
		return truth(n == d.num)
	}
}
