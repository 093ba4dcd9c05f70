package enginetest

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
			switch t {
			case reflect.TypeFor[source.Text]():
				return &jsonschema.Schema{Type: "string"}
			case reflect.TypeFor[value]():
				return &jsonschema.Schema{}
			case reflect.TypeFor[matrix]():
				return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "array", MinItems: new(uint64(1))}}
			}
			return nil
		},
	}
	s := r.Reflect(document{})
	s.Title = "Sallyport policy cases"
	s.Description = "Messages, and what must be decided of them."
	s.Definitions["testCase"].OneOf = []*jsonschema.Schema{{Required: []string{"call"}}, {Required: []string{"list"}}}
	matched := *s.Definitions["matcher"]
	s.Definitions["matcher"] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, &matched}}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestSchemaIsFresh(t *testing.T) { golden.Compare(t, "schema.json", generate(t)) }

// What the decoder accepts the schema accepts; mistakes of shape it refuses too.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("cases.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("cases.json")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(data), "\n---\n") {
			if !strings.Contains(part, "kind: "+Kind) {
				continue
			}
			_, ds := Parse(file, []byte(part))
			refused := compiled.Validate(jsonOf(t, part)) != nil
			if refused && !ds.HasErrors() {
				t.Errorf("%s: the schema refuses what the decoder accepts: %v", file, compiled.Validate(jsonOf(t, part)))
			}
			if shape := strings.Contains(file, "/shape/"); shape && !refused {
				t.Errorf("%s: the schema accepts it", file)
			}
		}
	}
}

func jsonOf(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
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
	return doc
}
