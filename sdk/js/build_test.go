package js_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/sdk/js"
)

func TestBuildSaysWhatIsWrongAndWhere(t *testing.T) {
	const rest = `manifest: { name: "a", version: "1.0.0" }`
	for source, want := range map[string]string{
		"export default {\n  request(call) {\n    retrun 1;\n  }\n};": "own.js:3:12: SyntaxError: expecting ';'",
		"\n  import x from './other.js';":                             "own.js: SyntaxError: a plugin is one file: 'other.js' can't be imported",
		"const a = {};\n\n  a.b.c();\nexport default {};":             "own.js:3:3: TypeError: cannot read property 'c' of undefined",
		"await new Promise(() => {}); export default {};":             "own.js: TypeError: the script awaits something: a plugin has nothing to wait for",
		"throw 'just so';":                                  "own.js: just so",
		"const x = 1;":                                      "own.js: TypeError: there is no plugin: export default { manifest, request(call) { ... } }",
		"export default 5;":                                 "own.js: TypeError: there is no plugin: export default { manifest, request(call) { ... } }",
		"export default { request() {} };":                  "own.js: TypeError: the plugin has no manifest",
		"export default { requst() {}, " + rest + "};":      "own.js: TypeError: the plugin has requst, and can have manifest, validate, configure, selfTest, request, response, list",
		"export default { request: 1, " + rest + "};":       "own.js: TypeError: the plugin's request is no function",
		`export default { manifest: { hooks: ["list"] } };`: "own.js: TypeError: the manifest declares the hook list, and the plugin has no function list",
		`export default { manifest: { hooks: ["list"] }, list() {}, request() {} };`:              "own.js: TypeError: the plugin has a function request, and the manifest doesn't declare the hook",
		`eval("1"); export default {};`:                                                           "own.js:1:1: TypeError: eval is not supported",
		"// é\nconst x = '\xff';":                                                                 "own.js:2:12: the script is not UTF-8",
		`export default { request() {}, ` + rest[:len(rest)-1] + `, reads: { request: "x" } } };`: "reads.request: not a list",
		`export default { request() {}, ` + rest[:len(rest)-1] + `, limits: { pages: 3 } } };`:    "ask for",
	} {
		_, err := js.Script{File: "own.js", CacheDir: cache, Source: []byte(source)}.Build(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", source, err, want)
		}
	}
}

func TestBuildEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := (js.Script{Source: []byte("for (;;) {}"), CacheDir: cache}).Build(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestBuildBoundsTheScript(t *testing.T) {
	for _, source := range []string{"for (const all = [];;) all.push(new Uint8Array(1 << 20));", "const f = () => f() + 1; f();"} {
		var wrong *js.Error
		if _, err := (js.Script{Source: []byte(source), CacheDir: cache}).Build(context.Background()); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", source, err)
		} else {
			t.Log(err)
		}
	}
}

func TestBuiltModuleNeedsNothingElse(t *testing.T) {
	info, err := wasm.Inspect(build(t, `return "pass";`))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range info.Imports {
		if !strings.HasPrefix(name, "sallyport_v1.") && !strings.HasPrefix(name, "wasi_snapshot_preview1.") {
			t.Errorf("it imports %s", name)
		}
	}
}

func TestEngineIsBuiltOfItsSources(t *testing.T) {
	digests, err := os.ReadFile("engine/digests")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(digests)) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		b, err := os.ReadFile(filepath.Join("engine", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != digest {
			t.Errorf("%s is %s, digests says %s: run make -C sdk/js update", name, got, digest)
		}
	}
}
