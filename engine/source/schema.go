package source

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckJSON checks a JSON value against a JSON Schema (2020-12). The error says in one line what doesn't fit, or what is wrong with the
// schema. A schema can refer to nothing outside itself.
func CheckJSON(schema, value []byte) error {
	const place = "schema.json"
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("the schema is no JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource(place, parsed); err != nil {
		return fmt.Errorf("the schema can't be used: %w", err)
	}
	compiled, err := c.Compile(place)
	if err != nil {
		return fmt.Errorf("the schema can't be used: %w", err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	err = compiled.Validate(v)
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return errors.New(misfit(invalid))
	}
	return err
}

// misfit is the first thing that doesn't fit, with its place.
func misfit(e *jsonschema.ValidationError) string {
	for line := range strings.Lines(e.Error()) {
		if line, ok := strings.CutPrefix(strings.TrimSpace(line), "- at "); ok {
			return strings.TrimPrefix(line, "'': ")
		}
	}
	return "it doesn't fit"
}

// noLoader loads nothing.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside the schema", url)
}
