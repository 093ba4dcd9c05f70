package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// CheckJSON checks a JSON value against a JSON Schema (2020-12). The error says in one line what doesn't fit, or what is wrong with the
// schema. A schema can refer to nothing outside itself.
func CheckJSON(schema, value []byte) error {
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		return fmt.Errorf("the schema can't be used: %w", err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return fmt.Errorf("the schema can't be used: %w", err)
	}
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if err := resolved.Validate(v); err != nil {
		return errors.New(misfit(err.Error()))
	}
	return nil
}

var (
	typeMisfit = regexp.MustCompile(`^(\S+): type: .* has type ("\w+"), want (".*")$`)
	wordMisfit = regexp.MustCompile(`^(\S+): (\w+): `)
)

// misfit says where and what doesn't fit, without the way there, which the library tells step by step, and without the value: it may be
// a secret.
func misfit(text string) string {
	for {
		at := strings.LastIndex(text, "validating ")
		if at < 0 {
			break
		}
		text = text[at+len("validating "):]
	}
	if m := typeMisfit.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s is of the type %s, and must be %s", m[1], m[2], m[3])
	}
	if m := wordMisfit.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s doesn't fit `%s` of the schema", m[1], m[2])
	}
	return text
}
