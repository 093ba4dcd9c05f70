package enginetest

import (
	_ "embed"
	"slices"
)

//go:generate go test . -run TestSchemaIsFresh -update

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of a document of cases, made from the Go types.
func Schema() []byte { return slices.Clone(schema) }
