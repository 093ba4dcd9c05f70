// Package sallyport_test checks rules that hold across the whole module.
package sallyport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sallyport-dev/sallyport"

// floors lists every package. A package may import floors below its own, never
// its own floor: siblings meet one floor up.
var floors = [][]string{
	{
		"sdk", "engine/jsonscan", "engine/netaddr", "engine/source", "internal/seal", "engine/wasm/binary", "engine/wasm/cow", "engine/wasm/rego", "internal/budget", "internal/carry", "internal/flock", "internal/golden", "internal/httphead", "internal/socket", "internal/telemetry", "internal/fetch/fetchtest", "policies",
		"hostapi", "hostapi/internal/gen",
		"bench/internal/hist", "bench/internal/proc", "bench/internal/rawhttp", "bench/internal/workload",
	},
	{"internal/mcp", "engine/policy", "engine/condition", "engine/cache", "engine/detect", "engine/table", "engine/toolset", "engine/wasm", "hostapi/tck", "bench/internal/load"},
	{"engine/bundle", "engine/format", "engine/lint", "internal/federation", "plugins", "sdk/js", "bench/internal/duel"},
	{"engine", "internal/fetch", "sdk/js/compile"},
	{"engine/enginetest", "internal/identity", "internal/route", "internal/upstream", "internal/audit", "internal/limit", "internal/overload", "internal/config", "internal/admin", "internal/clients", "internal/demo", "internal/starter", "internal/toolchain", "internal/trial", "internal/foreign"},
	{"internal/gateway", "internal/stdio", "internal/bridge", "internal/replay", "internal/discovery"},
	{
		"cmd/sallyport", "internal/e2e", "bench/cmd/duel", "bench/cmd/mockmcp", "bench/cmd/bareproxy",
		"examples/embed", "examples/server", "examples/jwt/mint",
	},
}

// owners names the packages that may import a dependency. A dependency with no
// owner is for tests only; one that is not listed may not be imported at all.
var owners = map[string][]string{
	"cel.dev/cel-go":                        {"engine/condition"},
	"filippo.io/age":                        {"internal/seal"},
	"github.com/alecthomas/kong":            {"cmd/sallyport"},
	"github.com/cespare/xxhash":             {"internal/gateway"},
	"github.com/dgraph-io/ristretto":        {"engine/cache"},
	"github.com/fsnotify/fsnotify":          {"cmd/sallyport"},
	"github.com/go-jose/go-jose":            {"internal/identity"},
	"github.com/go-json-experiment/json":    {},
	"github.com/google/go-cmp":              {"internal/golden"},
	"github.com/invopop/jsonschema":         {},
	"github.com/mark3labs/mcp-go":           {"internal/mcp", "internal/demo", "examples/server"},
	"github.com/opencontainers/go-digest":   {"internal/fetch"},
	"github.com/opencontainers/image-spec":  {"internal/fetch"},
	"oras.land/oras-go":                     {"internal/fetch"},
	"github.com/pelletier/go-toml":          {"engine/detect", "internal/clients"},
	"github.com/prometheus/client_golang":   {"internal/telemetry"},
	"github.com/rogpeppe/go-internal":       {"cmd/sallyport"},
	"github.com/rs/zerolog":                 {"internal/audit"},
	"github.com/google/jsonschema-go":       {"engine/source"},
	"github.com/santhosh-tekuri/jsonschema": {},
	"github.com/tailscale/hujson":           {"internal/clients"},
	"github.com/tetratelabs/wazero":         {"engine/wasm"},
	"github.com/valkey-io/valkey-go":        {"internal/limit"},
	"github.com/valyala/fasthttp":           {"internal/upstream", "internal/gateway", "bench/cmd/mockmcp", "bench/cmd/bareproxy"},
	"go.uber.org/goleak":                    {},
	"go.yaml.in/yaml":                       {"engine/source"},
	"golang.org/x/net":                      {},
	"golang.org/x/sys":                      {"bench/internal/load", "engine/wasm/cow", "internal/audit", "internal/gateway", "internal/upstream"},
	"pgregory.net/rapid":                    {},
}

// sealed lists what every package under a path must never reach, directly or
// not: the engine is a library without a network, the measure doesn't share
// code with what it measures.
var sealed = map[string][]string{
	"engine": {
		module + "/internal/", module + "/cmd/", module + "/bench/",
		"net/http", "github.com/valyala/fasthttp", "github.com/rs/zerolog", "github.com/prometheus/",
	},
	"bench": {module + "/internal/", module + "/cmd/", module + "/engine"},
}

type pkg struct {
	ImportPath, Doc string
	Imports, Deps   []string
}

func TestImportsPointDown(t *testing.T) {
	pkgs, floor := list(t), floorOf()
	for name := range floor {
		if _, ok := pkgs[name]; !ok {
			t.Errorf("floors lists %s, which doesn't exist", name)
		}
	}
	for name, p := range pkgs {
		f, ok := floor[name]
		if !ok {
			t.Errorf("%s is on no floor", name)
			continue
		}
		for _, imp := range p.Imports {
			if in, ok := strings.CutPrefix(imp, module+"/"); ok && floor[in] >= f {
				t.Errorf("%s (floor %d) imports %s (floor %d)", name, f, in, floor[in])
			}
		}
	}
}

func TestEveryDependencyHasAnOwner(t *testing.T) {
	for name, p := range list(t) {
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module+"/") || !strings.Contains(strings.Split(imp, "/")[0], ".") {
				continue
			}
			dep, by, ok := ownersOf(imp)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which has no owner", name, imp)
			case !slices.Contains(by, name):
				t.Errorf("%s imports %s; only %v may", name, dep, by)
			}
		}
	}
}

func TestSealedPackagesReachNothingElse(t *testing.T) {
	for name, p := range list(t) {
		for under, banned := range sealed {
			if name != under && !strings.HasPrefix(name, under+"/") {
				continue
			}
			for _, dep := range p.Deps {
				for _, bad := range banned {
					if within(dep, bad) {
						t.Errorf("%s reaches %s", name, dep)
					}
				}
			}
		}
	}
}

// Who embeds the engine decides what is logged. What it imports may import a logger.
func TestTheEngineDoesNotLog(t *testing.T) {
	for name, p := range list(t) {
		for _, imp := range p.Imports {
			if within(name, "engine") && (imp == "log" || strings.HasPrefix(imp, "log/")) {
				t.Errorf("%s imports %s", name, imp)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for name, p := range list(t) {
		if !strings.HasPrefix(p.Doc, "Package ") && !strings.HasPrefix(p.Doc, "Command ") {
			t.Errorf("%s has no package comment", name)
		}
	}
}

// list returns the packages of the module by their path under it.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	// Looking at the files makes a cached result of this test as old as they are;
	// what a command reads doesn't.
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	pkgs := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(p.ImportPath, module+"/"); ok {
			pkgs[name] = p
		}
	}
}

func floorOf() map[string]int {
	floor := map[string]int{}
	for i, names := range floors {
		for _, n := range names {
			floor[n] = i
		}
	}
	return floor
}

func ownersOf(imp string) (dep string, by []string, ok bool) {
	for dep, by := range owners {
		if within(imp, dep) {
			return dep, by, true
		}
	}
	return "", nil, false
}

// within reports whether an import path is path or below it.
func within(imp, path string) bool {
	return imp == path || strings.HasPrefix(imp, strings.TrimSuffix(path, "/")+"/")
}
