package tck

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Vector is a question and its answer, as a file has it.
type Vector struct {
	Name    string
	Section string // the heading of ABI.md that it stands for
	Topic   string // the file's name

	// Do is what the kit's guest is told, and Module one that is made for the question alone.
	Do     json.RawMessage
	Module *Module

	Hook     string // request if empty
	Message  *messageFile
	Args     json.RawMessage // arguments of the message, which is a call of a tool then
	Settings json.RawMessage
	Grant    *Grant
	Expect   Expect

	digest [sha256.Size]byte // of the module that is asked
}

// messageFile is a message in a file: what is left out has a default.
type messageFile struct {
	Method      string            `json:"method"`
	Server      *string           `json:"server"`
	Tool        *string           `json:"tool"`
	Prompt      string            `json:"prompt"`
	Resource    string            `json:"resource"`
	Params      json.RawMessage   `json:"params"`
	Result      json.RawMessage   `json:"result"`
	Items       json.RawMessage   `json:"items"`
	Annotations json.RawMessage   `json:"annotations"`
	Principal   *Principal        `json:"principal"`
	Source      string            `json:"source"`
	Headers     map[string]string `json:"headers"`
	Time        *int64            `json:"time"`
}

// fixture is what is the same for all vectors.
type fixture struct {
	Tables    map[string]map[string]json.RawMessage
	Detectors map[string][]Detector
	Principal Principal
	Time      int64
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// Vectors reads the kit's vectors.
func Vectors() ([]Vector, error) {
	names, err := fs.Glob(files, "testdata/vectors/*.json")
	if err != nil {
		return nil, err
	}
	var out []Vector
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f struct {
			Section string
			Vectors []Vector
		}
		if err := strict(data, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, v := range f.Vectors {
			v.Topic = path.Base(name[:len(name)-len(".json")])
			if v.Section == "" {
				v.Section = f.Section
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func vectors(t *testing.T) []Vector {
	t.Helper()
	vs, err := Vectors()
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func (v *Vector) title() string { return v.Topic + "/" + v.Name }

func (v *Vector) hook(t *testing.T) hostapi.Hook {
	t.Helper()
	h, ok := hostapi.ParseHook(v.Hook)
	if !ok && v.Hook != "" {
		t.Fatalf("there is no hook %q", v.Hook)
	}
	return h
}

func theFixture(t *testing.T) *fixture {
	t.Helper()
	data, err := files.ReadFile("testdata/fixture.json")
	f := new(fixture)
	if err == nil {
		err = strict(data, f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// plugin is how the vector's plugin is loaded. The kit's guest has two of the three
// capabilities that it asks for, unless the vector says otherwise.
func (v *Vector) plugin(t *testing.T) Plugin {
	t.Helper()
	f := theFixture(t)
	p := Plugin{Settings: v.Settings, Tables: f.Tables, Detectors: f.Detectors}
	if v.Module == nil {
		p.Grant.Capabilities = []string{"lookup:tenants", "match:pii"}
	}
	if v.Grant != nil {
		p.Grant = *v.Grant
	}
	return p
}

// ask makes the vector's message.
func (v *Vector) ask(t *testing.T) *Message {
	t.Helper()
	f := v.Message
	if f == nil {
		f = &messageFile{}
	}
	fix := theFixture(t)
	m := &Message{
		Method: f.Method, Server: "files", Prompt: f.Prompt, Resource: f.Resource, Result: f.Result, Items: f.Items, Annotations: f.Annotations,
		Principal: fix.Principal, Source: f.Source, Headers: f.Headers, Time: fix.Time,
	}
	if m.Method == "" {
		m.Method = "tools/call"
		if v.Hook == "list" {
			m.Method = "tools/list"
		}
	}
	if m.Source == "" {
		m.Source = "192.0.2.7"
	}
	if f.Server != nil {
		m.Server = *f.Server
	}
	if f.Tool != nil {
		m.Tool = *f.Tool
	} else if m.Method == "tools/call" {
		m.Tool = "tck"
	}
	if f.Principal != nil {
		m.Principal = *f.Principal
	}
	if f.Time != nil {
		m.Time = *f.Time
	}
	m.Params = v.params(t, f.Params, m.Tool)
	return m
}

// params are the message's own, or a call of a tool's, and what the guest is told.
func (v *Vector) params(t *testing.T, own json.RawMessage, tool string) json.RawMessage {
	t.Helper()
	var ms []member
	if own != nil {
		var err error
		if ms, err = members(own); err != nil {
			t.Fatalf("%s: params: %v", v.title(), err)
		}
	} else if tool != "" {
		name, _ := json.Marshal(tool)
		ms = append(ms, member{"name", name})
	}
	if v.Args != nil {
		ms = append(ms, member{"arguments", v.Args})
	}
	if v.Do != nil {
		ms = append(ms, member{"_meta", json.RawMessage(fmt.Sprintf(`{"tck":%s}`, v.Do))})
	}
	if ms == nil && own == nil {
		return nil
	}
	return object(ms)
}

// member is a member of a JSON object, in its order.
type member struct {
	name  string
	value json.RawMessage
}

// members reads an object.
func members(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(err, errors.New("not an object"))
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var m member
		m.name, _ = t.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func object(ms []member) json.RawMessage {
	b := []byte{'{'}
	for i, m := range ms {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(m.name)
		b = append(append(append(b, name...), ':'), m.value...)
	}
	return append(b, '}')
}
