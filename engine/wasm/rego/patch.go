package rego

import (
	"slices"
	"strconv"
	"strings"
)

// edit is one operation of json.patch, on a document that is not changed but made anew along the
// way.
type edit struct {
	c  *Call
	do func(around, key Value) (Value, bool) // what the container becomes
}

func jsonPatch(c *Call, args []Value) (Value, error) {
	list, ok := args[1].(Array)
	if !ok {
		return Undefined, nil
	}
	doc, room := args[0], maxText
	for _, v := range list {
		op, ok := v.(*Object)
		if !ok {
			return Undefined, nil
		}
		doc, ok = operate(c, doc, op, &room)
		switch {
		case room < 0:
			return nil, errTooLong
		case !ok:
			return Undefined, nil
		}
	}
	return doc, nil
}

// operate does one operation. Room is how much may still be copied: a document that is copied into
// itself doubles each time.
func operate(c *Call, doc Value, op *Object, room *int) (Value, bool) {
	path, ok := pathOf(op.get("path"))
	name, ok2 := op.get("op").(string)
	value := op.get("value")
	if !ok || !ok2 || doc == Undefined && name != "add" {
		return nil, false
	}
	switch name {
	case "move", "copy":
		from, ok := pathOf(op.get("from"))
		if !ok {
			return nil, false
		}
		if value, ok = at(c, doc, from); !ok {
			return nil, false
		}
		if name == "copy" {
			size := weight(value, *room)
			if *room -= size; *room < 0 {
				return nil, false
			}
			c.Charge(int64(size))
		} else {
			if doc, ok = remove(c, doc, from); !ok {
				return nil, false
			}
		}
		return insert(c, doc, path, value)
	case "remove":
		return remove(c, doc, path)
	case "test":
		found, ok := at(c, doc, path)
		return doc, ok && value != Undefined && Compare(found, value) == 0
	case "replace":
		if doc, ok = remove(c, doc, path); !ok {
			return nil, false
		}
		return insert(c, doc, path, value)
	case "add":
		return insert(c, doc, path, value)
	}
	return nil, false
}

// pathOf reads a path: a JSON Pointer, whose first slash may be left out, or a list of keys.
func pathOf(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case Array:
		return v, true
	case string:
		if v == "" {
			return nil, true
		}
		var out []Value
		for part := range strings.SplitSeq(strings.TrimLeft(v, "/"), "/") {
			out = append(out, strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"))
		}
		return out, true
	}
	return nil, false
}

// index reads an index of an array; "-" is the one behind the last.
func index(key Value, size int) (int, bool) {
	text, isText := key.(string)
	if n, ok := key.(Number); ok {
		text = string(n)
	} else if !isText {
		return 0, false
	}
	if isText && text == "-" {
		return size, true
	}
	i, err := strconv.Atoi(text)
	return i, err == nil && digits(text) && (text == "0" || text[0] != '0') && i <= size
}

// child returns what a container has under a key.
func child(around, key Value) (Value, bool) {
	switch a := around.(type) {
	case *Object:
		v := a.get(key)
		return v, v != Undefined
	case Array:
		i, ok := index(key, len(a))
		if !ok || i == len(a) {
			return nil, false
		}
		return a[i], true
	case *Set:
		i, ok := slices.BinarySearchFunc(a.Elems, key, Compare)
		if !ok {
			return nil, false
		}
		return a.Elems[i], true
	}
	return nil, false
}

func at(c *Call, doc Value, path []Value) (Value, bool) {
	c.Charge(int64(len(path)) * element)
	for _, key := range path {
		v, ok := child(doc, key)
		if !ok {
			return nil, false
		}
		doc = v
	}
	return doc, doc != Undefined
}

// along makes a document anew in which the container at the end of a path is another.
func (e *edit) along(doc Value, path []Value) (Value, bool) {
	e.c.Charge(sizeOf(doc) + element)
	if len(path) == 1 {
		return e.do(doc, path[0])
	}
	v, ok := child(doc, path[0])
	if !ok {
		return nil, false
	}
	if v, ok = e.along(v, path[1:]); !ok {
		return nil, false
	}
	without, ok := taken(doc, path[0])
	if !ok {
		return nil, false
	}
	if _, ok := doc.(*Set); ok {
		return put(without, v, v)
	}
	return put(without, path[0], v)
}

func sizeOf(v Value) int64 {
	if o, ok := v.(*Object); ok {
		return int64(len(o.Keys))
	}
	list, _ := elements(v)
	return int64(len(list))
}

func insert(c *Call, doc Value, path []Value, value Value) (Value, bool) {
	switch {
	case value == Undefined:
		return nil, false
	case len(path) == 0:
		return value, true
	case doc == Undefined:
		return nil, false
	}
	e := edit{c: c, do: func(around, key Value) (Value, bool) { return put(around, key, value) }}
	return e.along(doc, path)
}

func remove(c *Call, doc Value, path []Value) (Value, bool) {
	if len(path) == 0 {
		return Undefined, doc != Undefined
	}
	e := edit{c: c, do: taken}
	return e.along(doc, path)
}

// put returns a container with a value more, or another under a key.
func put(around, key, value Value) (Value, bool) {
	switch a := around.(type) {
	case *Object:
		return newObject(append(slices.Clone(a.Keys), key), append(slices.Clone(a.Values), value)), true
	case Array:
		i, ok := index(key, len(a))
		if !ok {
			return nil, false
		}
		return slices.Insert(slices.Clone(a), i, value), true
	case *Set:
		return newSet(append(slices.Clone(a.Elems), value)), Compare(key, value) == 0
	}
	return nil, false
}

// taken returns a container without what it has under a key.
func taken(around, key Value) (Value, bool) {
	if _, ok := child(around, key); !ok {
		return nil, false
	}
	switch a := around.(type) {
	case *Object:
		i, _ := slices.BinarySearchFunc(a.Keys, key, Compare)
		return &Object{slices.Delete(slices.Clone(a.Keys), i, i+1), slices.Delete(slices.Clone(a.Values), i, i+1)}, true
	case Array:
		i, _ := index(key, len(a))
		return slices.Delete(slices.Clone(a), i, i+1), true
	case *Set:
		i, _ := slices.BinarySearchFunc(a.Elems, key, Compare)
		return &Set{slices.Delete(slices.Clone(a.Elems), i, i+1)}, true
	}
	return nil, false
}
