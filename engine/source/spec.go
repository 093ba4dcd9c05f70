package source

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// spec is what the tags of a struct field say about its values.
type spec struct {
	name                string
	index               int
	item                bool // the value is an item of the field's list
	required            bool
	enum                []string
	minimum, maximum    *float64
	minItems, minLength int
}

type specs []spec

// specsOf reads the tags of a struct type. Fields without a `yaml` tag, or named "-", are none of the file's business.
func specsOf(t reflect.Type) specs {
	var all specs
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		s := spec{name: name, index: i}
		for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			s.read(part)
		}
		all = append(all, s)
	}
	return all
}

func (s *spec) read(part string) {
	key, value, _ := strings.Cut(part, "=")
	switch key {
	case "required":
		s.required = true
	case "enum":
		s.enum = append(s.enum, value)
	case "minimum":
		s.minimum = bound(value)
	case "maximum":
		s.maximum = bound(value)
	case "minItems":
		s.minItems = int(*bound(value))
	case "minLength":
		s.minLength = int(*bound(value))
	}
}

func bound(value string) *float64 {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		panic("source: a bound in a tag is not a number: " + value)
	}
	return &f
}

func (all specs) byName(name string) (spec, bool) {
	for _, s := range all {
		if s.name == name {
			return s, true
		}
	}
	return spec{}, false
}

func (all specs) names() []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return names
}

func (s spec) quoted() string {
	switch {
	case s.item:
		return fmt.Sprintf("an item of `%s`", s.name)
	case strings.Contains(s.name, " "):
		return s.name
	}
	return fmt.Sprintf("`%s`", s.name)
}

// bounds tells the range of a number.
func (s spec) bounds() string {
	switch {
	case s.maximum == nil:
		return "it must be at least " + decimal(*s.minimum)
	case s.minimum == nil:
		return "it must be at most " + decimal(*s.maximum)
	}
	return fmt.Sprintf("it must be between %s and %s", decimal(*s.minimum), decimal(*s.maximum))
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// example tells how to write a required field.
func (s spec) example() string {
	if len(s.enum) == 1 {
		return fmt.Sprintf("add `%s: %s`", s.name, s.enum[0])
	}
	if len(s.enum) > 1 {
		return fmt.Sprintf("add `%s`, one of: %s", s.name, strings.Join(s.enum, ", "))
	}
	return fmt.Sprintf("add `%s`", s.name)
}
