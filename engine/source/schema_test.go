package source

import "testing"

func TestCheckJSON(t *testing.T) {
	const schema = `{"type":"object","properties":{"mask":{"type":"string"},"n":{"minimum":1}},"additionalProperties":false}`
	for _, tt := range []struct{ schema, value, want string }{
		{schema, `{}`, ""},
		{schema, `{"mask":"*"}`, ""},
		{schema, `{"mask":1}`, "'/mask': got number, want string"},
		{schema, `{"colour":"red"}`, "additional properties 'colour' not allowed"},
		{schema, `{"n":0}`, "'/n': minimum: got 0, want 1"},
		{schema, `[]`, "got array, want object"},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}`, `null`, ""},
		{`{"$ref":"https://evil.example/schema.json"}`, `null`, "the schema can't be used: "},
		{`{"$ref":"file:///etc/passwd"}`, `null`, "the schema can't be used: "},
		{`{"type":"nothing"}`, `null`, "the schema can't be used: "},
		{`{`, `null`, "the schema is no JSON: "},
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
