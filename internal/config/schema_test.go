package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
)

// scalars gives the schema of the types that read themselves from a scalar.
func scalars(t reflect.Type) *jsonschema.Schema {
	expansion := `\$\{.*\}`
	switch t {
	case reflect.TypeFor[source.Text]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Rate]():
		return &jsonschema.Schema{Type: "string", Pattern: rateForm.String() + "|" + expansion, Examples: []any{"100/1m", "5/1s"}}
	case reflect.TypeFor[Date]():
		return &jsonschema.Schema{Type: "string", Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$|` + expansion, Examples: []any{"2026-01-31"}}
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9.]+(ns|us|ms|s|m|h))+$|` + expansion, Examples: []any{"500ms", "10s", "1h"}}
	case reflect.TypeFor[Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: sizeForm.String() + "|" + expansion},
			{Type: "integer", Minimum: "1024", Maximum: "1073741824"},
		}, Examples: []any{"64KiB", "4MiB"}}
	case reflect.TypeFor[Memory]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: "^off$|" + sizeForm.String() + "|" + expansion},
			{Type: "integer", Minimum: "1048576", Maximum: "1073741824"},
			{Const: 0},
		}, Examples: []any{"16MiB", "off"}}
	case reflect.TypeFor[Network]():
		return &jsonschema.Schema{Type: "string", Pattern: `^[0-9a-fA-F.:]+(/[0-9]{1,3})?$|` + expansion, Examples: []any{"10.0.0.0/8", "127.0.0.1"}}
	case reflect.TypeFor[Hash]():
		return &jsonschema.Schema{Type: "string", Pattern: `^sha256:[0-9a-fA-F]{64}$|` + expansion}
	case reflect.TypeFor[Key]():
		return &jsonschema.Schema{Type: "string", Pattern: `^[0-9a-zA-Z+/=_-]{43,64}$|` + expansion}
	}
	return nil
}

// generate makes the JSON Schema of the config file.
func generate(t *testing.T) []byte {
	t.Helper()
	r := jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Mapper: scalars}
	s := r.Reflect(Config{})
	s.Title = "Sallyport config"
	s.Description = "The config file of sallyport serve. ${NAME}, ${NAME:-default} and ${NAME:?message} are expanded in text; relative paths start from this file."
	one := uint64(1)
	servers, _ := s.Properties.Get("servers")
	servers.PropertyNames = &jsonschema.Schema{Pattern: serverName.String()}
	virtual, _ := s.Properties.Get("virtual")
	virtual.PropertyNames = &jsonschema.Schema{Pattern: serverName.String()}
	for _, d := range []struct{ def, title string }{
		{"TLS", "TLS"},
		{"Admin", "Admin listener"},
		{"Server", "MCP server"},
		{"ServerTLS", "Server TLS"},
		{"Version", "Version of a server"},
		{"Route", "Route to a version"},
		{"Mirror", "Mirrored calls"},
		{"ServerTool", "End of a tool"},
		{"Deprecated", "Deprecation of a tool"},
		{"Discovery", "Discovery"},
		{"Registry", "Registry of servers"},
		{"Listed", "Server of a registry"},
		{"Probe", "Probe"},
		{"API", "Servers by the admin API"},
		{"Virtual", "Virtual server"},
		{"Selection", "Selection of a server"},
		{"NamedTool", "Tool under another name"},
		{"Federation", "Federation"},
		{"Queue", "Queue"},
		{"Breaker", "Circuit breaker"},
		{"Identity", "Identity"},
		{"APIKey", "API key"},
		{"JWT", "Issuer"},
		{"Audit", "Decision records"},
		{"Limits", "Limits"},
		{"RateLimit", "Rate limit"},
		{"RateMatch", "What a rate limit counts"},
		{"Store", "Shared store"},
		{"Valkey", "Valkey or Redis"},
		{"StoreTLS", "Store TLS"},
		{"Overload", "Overload"},
		{"Priority", "Priority"},
		{"Denials", "Denials"},
		{"Sessions", "Session ids"},
		{"Replicas", "Replicas"},
		{"ReplicaKey", "Key"},
		{"Log", "Log"},
	} {
		s.Definitions[d.def].Title = d.title
	}
	s.Definitions["Server"].OneOf = []*jsonschema.Schema{{Required: []string{"url"}}, {Required: []string{"command"}}, {Required: []string{"versions"}}}
	versions, _ := s.Definitions["Server"].Properties.Get("versions")
	versions.MinProperties, versions.PropertyNames = &one, servers.PropertyNames
	s.Definitions["Version"].OneOf = s.Definitions["Server"].OneOf[:2]
	named := jsonschema.NewProperties()
	named.Set("servers", &jsonschema.Schema{MinProperties: &one})
	s.AnyOf = []*jsonschema.Schema{{Required: []string{"servers"}, Properties: named}, {Required: []string{"discovery"}}}
	registry := s.Definitions["Registry"]
	listed, _ := registry.Properties.Get("servers")
	listed.PropertyNames = &jsonschema.Schema{Pattern: listedName.String(), MinLength: new(uint64(minListedName)), MaxLength: new(uint64(maxListedName))}
	some := jsonschema.NewProperties()
	some.Set("servers", &jsonschema.Schema{MinProperties: &one})
	registry.AnyOf = []*jsonschema.Schema{{Required: []string{"names"}}, {Required: []string{"servers"}, Properties: some}}
	s.Definitions["Listed"].DependentRequired = map[string][]string{"headers": {"host"}, "variables": {"host"}}
	s.Definitions["Discovery"].DependentRequired = map[string][]string{"registries": {"state"}, "api": {"state"}}
	s.Definitions["ReplicaKey"].OneOf = []*jsonschema.Schema{{Required: []string{"key"}}, {Required: []string{"file"}}}
	s.Definitions["Sessions"].Not = &jsonschema.Schema{Required: []string{"key", "keyFile"}}
	limits, defaults := s.Definitions["Limits"].Properties, reflect.ValueOf(Default().Limits)
	for i := range defaults.NumField() {
		field := defaults.Type().Field(i)
		limit, _ := limits.Get(field.Tag.Get("yaml"))
		if text, ok := reflect.TypeAssert[fmt.Stringer](defaults.Field(i)); ok {
			limit.Default = text.String()
		}
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func TestSchemaIsFresh(t *testing.T) { golden.Compare(t, "schema.json", generate(t)) }

// The codes that are about the shape of a config; the schema must refuse those mistakes too.
var structural = []string{"SP1002", "SP1003", "SP1004", "SP1006", "SP1011", "SP1104", "SP1106", "SP1108"}

func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	compiled := compileSchema(t)
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, ds := Parse(file, data, environment)
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			continue // not YAML: no schema is asked
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := validator.UnmarshalJSON(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		refused := compiled.Validate(doc)
		if refused != nil && !ds.HasErrors() {
			t.Errorf("%s: the schema refuses what the decoder accepts: %v", file, refused)
		}
		for _, code := range structural {
			if has(ds, code) && refused == nil {
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
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
