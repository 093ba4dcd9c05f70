package source

import "testing"

func TestCheckJSON(t *testing.T) {
	const schema = `{"type":"object","properties":{"mask":{"type":"string"},"n":{"minimum":1}},"additionalProperties":false}`
	for _, tt := range []struct{ schema, value, want string }{
		{schema, `{}`, ""},
		{schema, `{"mask":"*"}`, ""},
		{schema, `{"mask":1}`, `/properties/mask is of the type "integer", and must be "string"`},
		{schema, `{"colour":"red"}`, `root: unexpected additional properties ["colour"]`},
		{schema, `{"n":0}`, "/properties/n doesn't fit `minimum` of the schema"},
		{schema, `[]`, `root is of the type "array", and must be "object"`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}`, `null`, ""},
		{`{"$ref":"https://evil.example/schema.json"}`, `null`, "the schema can't be used: "},
		{`{"$ref":"file:///etc/passwd"}`, `null`, "the schema can't be used: "},
		{`{"type":7}`, `null`, "the schema can't be used: "},
		{`{`, `null`, "the schema can't be used: "},
		{`{}`, `{`, "it is no JSON: "},
	} {
		got := ""
		if err := CheckJSON([]byte(tt.schema), []byte(tt.value)); err != nil {
			got = err.Error()
		}
		if got != tt.want && (len(tt.want) == 0 || tt.want[len(tt.want)-1] != ' ' || len(got) < len(tt.want) || got[:len(tt.want)] != tt.want) {
			t.Errorf("%s on %s: %q, want %q", tt.schema, tt.value, got, tt.want)
		}
	}
}
