package module

import (
	"bytes"
	"strings"
	"testing"
)

const text = `{
  "abi": "sallyport/1", "name": "t", "version": "1.0.0",
  "hooks": ["request"]
}
`

const compact = `{"abi":"sallyport/1","name":"t","version":"1.0.0","hooks":["request"]}`

func section(id byte, body string) string { return string(appendSection(nil, id, []byte(body))) }

func name(s string) string { return string(appendSized(nil, []byte(s))) }

// export is an entry of an export section: a function.
func export(s string, index byte) string { return name(s) + "\x00" + string(index) }

func module(sections ...string) []byte { return []byte(string(magic) + strings.Join(sections, "")) }

var (
	exported = section(exports, "\x04"+export("sp_on_list", 3)+name("memory")+"\x02\x00"+export("sp_on_request", 1)+export("sp_configure", 2))
	kept     = section(exports, "\x03"+name("memory")+"\x02\x00"+export("sp_on_request", 1)+export("sp_configure", 2))
	data     = section(11, "..."+text+"...")
	embedded = section(custom, name("sallyport.manifest")+compact)
	buildID  = section(custom, name("go.buildid")+"x")
)

func TestComplete(t *testing.T) {
	want := module(buildID, kept, data, embedded)
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"a module that was just built", module(buildID, exported, data)},
		{"a module that is complete", want},
		{"a module with another manifest", module(section(custom, name("sallyport.manifest")+"{}"), buildID, exported, data)},
		{"a module with two manifests", module(embedded, buildID, exported, data, embedded)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Complete(tt.in, text)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestComplete_refuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		text string
		want string
	}{
		{"what is no module", []byte("#!/bin/sh"), text, "not a Wasm module"},
		{"a module that is cut off", module(exported, data[:20]), text, "not a whole Wasm module"},
		{"exports that are cut off", module(section(exports, "\x02"+export("a", 0)), data), text, "not a whole Wasm module"},
		{"a module of another manifest", module(exported, section(11, "other")), text, "the module was not built with this manifest: embed the file in the code, give it to Register, and build again"},
		{"a module whose manifest is only in its section", module(exported, section(custom, name("sallyport.manifest")+text)), text, "the module was not built with this manifest: embed the file in the code, give it to Register, and build again"},
		{"a module without the hook", module(section(exports, "\x00"), data), text, "the manifest declares the hook request, and the module has no export sp_on_request: build it with this SDK and -buildmode=c-shared"},
		{"a bad manifest", module(exported, data), "{", "manifest: unexpected end of JSON input"},
		{"a module that is too large", module(exported, data, section(11, strings.Repeat("x", 8<<20))), text, "the module would be larger than 8388608 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Complete(tt.in, tt.text)
			if err == nil || err.Error() != tt.want || got != nil {
				t.Errorf("got %d bytes and %v, want %s", len(got), err, tt.want)
			}
		})
	}
}

// FuzzComplete holds that what was completed stays as it is.
func FuzzComplete(f *testing.F) {
	f.Add(module(buildID, exported, data))
	f.Add(module(embedded, exported, data))
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := Complete(in, text)
		if err != nil {
			return
		}
		twice, err := Complete(once, text)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q (%v)", once, twice, err)
		}
	})
}
