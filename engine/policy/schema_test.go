package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
)

// generate makes the JSON Schema of a document.
func generate(t *testing.T) []byte {
	t.Helper()
	r := jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[source.Text]() {
				return &jsonschema.Schema{Type: "string"}
			}
			if t == reflect.TypeFor[settings]() {
				return &jsonschema.Schema{Type: "object"}
			}
			return nil
		},
	}
	s := r.Reflect(document{})
	s.Title = "Sallyport policy"
	s.Description = "Rules about MCP calls. Deny overrides approve, which overrides allow; when nothing matches, the call is denied."
	one := uint64(1)
	rules, _ := s.Properties.Get("rules")
	rules.MinItems = &one
	for def, title := range map[string]string{"metadata": "Metadata", "match": "Match", "variable": "Variable", "rule": "Rule"} {
		s.Definitions[def].Title = title
	}
	plugin := &jsonschema.Schema{Required: []string{"plugin"}}
	s.Definitions["rule"].OneOf = []*jsonschema.Schema{{Required: []string{"effect"}}, plugin}
	s.Definitions["rule"].If = property("phase", "response")
	s.Definitions["rule"].Then = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{property("effect", "deny"), plugin}}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// property is the schema of an object whose field has a value.
func property(name, value string) *jsonschema.Schema {
	s := &jsonschema.Schema{Required: []string{name}, Properties: jsonschema.NewProperties()}
	s.Properties.Set(name, &jsonschema.Schema{Const: value})
	return s
}

func TestSchemaIsFresh(t *testing.T) { golden.Compare(t, "schema.json", generate(t)) }

// The codes that are about the shape of a document; the schema must refuse those mistakes too.
var structural = []string{"SP1002", "SP1003", "SP1004", "SP1006", "SP1011", "SP3009", "SP3010", "SP3011"}

func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	compiled := compileSchema(t)
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, ds := Parse(file, data)
		refused := false
		for _, doc := range documents(t, data) {
			if err := compiled.Validate(doc); err != nil {
				refused = true
				if !ds.HasErrors() {
					t.Errorf("%s: the schema refuses what the decoder accepts: %v", file, err)
				}
			}
		}
		for _, code := range structural {
			if has(ds, code) && !refused {
				t.Errorf("%s: the decoder reports %s, the schema accepts the file", file, code)
			}
		}
	}
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents returns a file's documents as a schema validator wants them.
func documents(t *testing.T, data []byte) []any {
	t.Helper()
	var docs []any
	for part := range strings.SplitSeq(string(data), "\n---\n") {
		var v any
		if err := yaml.Unmarshal([]byte(part), &v); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := validator.UnmarshalJSON(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if doc != nil {
			docs = append(docs, doc)
		}
	}
	return docs
}
