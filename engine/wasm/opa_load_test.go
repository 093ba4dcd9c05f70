package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const regoHelp = "build it with `opa build -t wasm -e ENTRYPOINT`, of OPA 0.35 or later"

func TestModulesOfOPAThatAreRefused(t *testing.T) {
	h := newHost(t, wasm.Options{})
	module, good := read(t, "testdata/rego/test.wasm"), fmt.Sprintf(regoManifest, "files/decision")
	data := []byte(`{"tools":[]}`)
	swap := func(old, other string) []byte {
		if len(old) != len(other) || !bytes.Contains(module, []byte(old)) {
			t.Fatalf("%q for %q", other, old)
		}
		return bytes.ReplaceAll(module, []byte(old), []byte(other))
	}
	without := func(key string) string {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, key)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	cguest := cGuest(t, "authorise")
	for name, c := range map[string]struct {
		module   []byte
		manifest string
		data     []byte
		config   wasm.Config
		want     string
	}{
		"no manifest": {module: module, want: "there is no custom section sallyport.manifest; put it beside the module: NAME.manifest.json beside NAME.wasm"},
		"no rego in the manifest": {
			module: module, manifest: without("rego"),
			want: `the module is one of OPA's, and the manifest has no rego; add "rego": {"entrypoints": {"request": "authz/decision"}}`,
		},
		"no entrypoint of that name": {
			module: module, manifest: strings.ReplaceAll(good, "files/decision", "files/allow"),
			want: `the entrypoint "files/allow" of the hook request is not in the module; the module was built with: calls/results, echo/conflict, echo/decision, echo/list, echo/seen, echo/slow, files/decision`,
		},
		"no clock": {
			module: module, manifest: strings.ReplaceAll(good, `,"clock":true`, ``),
			want: `the module calls time.now_ns, and its manifest doesn't ask for the clock; add "clock": true to rego in the manifest, or decide without it`,
		},
		"an impure builtin": {
			module: swap("indexof_n", "http.send"), manifest: good,
			want: "the module calls http.send, which reaches out of the sandbox; decide without it; docs/rego.md lists what there is",
		},
		"an unknown builtin": {
			module: swap("crypto.md5", "crypto.md6"), manifest: good,
			want: "the module calls crypto.md6, which this host doesn't have; decide without it; docs/rego.md lists what there is",
		},
		"an import that is none of OPA's": {
			module: swap("opa_builtin4", "opa_builtin5"), manifest: good,
			want: "the module imports env.opa_builtin5, which a module of Rego doesn't; " + regoHelp,
		},
		"an export that is missing": {
			module: swap("opa_heap_ptr_get", "opa_heap_ptr_got"), manifest: good,
			want: "the module exports no function opa_heap_ptr_get; " + regoHelp,
		},
		"data that is none": {
			module: module, manifest: good, data: []byte(`{"a":1,"a":2}`),
			want: "the data can't be read: ",
		},
		"data that is a list": {
			module: module, manifest: good, data: []byte(`[]`),
			want: "the data is of the type array; give one JSON object",
		},
		"settings in the data": {
			module: module, manifest: strings.Replace(good, `"verdicts"`, `"settings_schema":{},"verdicts"`, 1), data: []byte(`{"settings":1}`),
			config: settings(`{}`), want: "the data has a member settings; give it another name: data.settings is the config of the rule",
		},
		"a smaller grant": {
			module: module, manifest: good, config: wasm.Config{Grant: wasm.Grant{Reads: []hostapi.Path{}}},
			want: "args is not granted, and a module of Rego sees all of its input at once; grant all that it reads, or don't load it",
		},
		"rego for another module": {module: cguest, manifest: good, want: `"sallyport.manifest" is there twice`},
		"data for another module": {module: cguest, data: data, want: "there is data for the module, which is none of OPA's; remove it, or put it into the plugin's settings"},
	} {
		t.Run(name, func(t *testing.T) {
			var manifest []byte
			if c.manifest != "" {
				manifest = []byte(c.manifest)
			}
			m, err := rego.Attach(c.module, manifest, c.data)
			if err != nil {
				t.Fatal(err)
			}
			p, err := h.Load(context.Background(), m, c.config)
			if err == nil {
				p.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestInspectTellsAModuleOfOPA(t *testing.T) {
	info, err := wasm.Inspect(regoModule(t, "files/decision"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Manifest.Rego.Entrypoints[hostapi.HookRequest]; got != "files/decision" || info.Manifest.Name != "rego" {
		t.Errorf("%s %q", info.Manifest.Name, got)
	}
}

func TestSettingsAreInTheData(t *testing.T) {
	manifest := strings.Replace(fmt.Sprintf(regoManifest, "echo/seen"), `"verdicts"`, `"settings_schema":{"type":"object"},"verdicts"`, 1)
	p := load(t, newHost(t, wasm.Options{}), attached(t, manifest), settings(`{"roots": {"acme": [1.0]}}`))
	r := ask(t, p, regoMessage(t, `{}`))
	if got := noted(r, "data"); got != `[["read_file","write_file","list_directory"],{"roots":{"acme":[1.0]}}]` {
		t.Errorf("%s: %s", sum(r), got)
	}
}

// A module of OPA's is held to what every plugin is.
func TestAModuleOfOPAIsBounded(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	with := func(entrypoint, limits string) *wasm.Plugin {
		if !strings.Contains(limits, "deadline_ms") { // how fast this machine is doesn't matter
			limits = strings.TrimSuffix(`"deadline_ms":10000,`+limits, ",")
		}
		manifest := strings.Replace(fmt.Sprintf(regoManifest, entrypoint), `"limits":{"pages":256,"fuel":1000000000,"deadline_ms":10000}`, `"limits":{`+limits+`}`, 1)
		return load(t, h, attached(t, manifest), wasm.Config{})
	}
	huge := `{"decision":true,"n":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		plugin    *wasm.Plugin
		arguments string
		want      string
	}{
		"fuel":                      {with("echo/slow", `"fuel":3000000`), `{"n":1}`, "deny fuel: the fuel of the call, 3000000 units, is used up"},
		"deadline":                  {with("echo/slow", `"fuel":10000000000,"deadline_ms":3`), `{"n":1}`, "deny deadline: the guest was still running at its deadline"},
		"memory for the input":      {with("echo/decision", `"pages":8`), huge, "deny trap: the input doesn't fit into the 8 pages of memory"},
		"memory for the evaluation": {with("echo/decision", `"pages":40`), strings.Replace(huge, "true", huge, 1), "deny trap: the module gave up: opa_malloc: failed"},
		"memory that is enough":     {with("echo/decision", `"pages":256`), huge, "pass"},
		"a module that gives up":    {with("echo/conflict", ``), `{"n":2}`, "deny trap: the module gave up: "},
		"a builtin's error":         {with("calls/results", ``), `{"f":"time.date","a":[[0,"Europe/Zurich"]]}`, "deny trap: time.date: times are in UTC here: a time zone depends on the files of the machine"},
		"a builtin's fuel":          {with("calls/results", ``), `{"f":"numbers.range_step","a":[0,9007199254740992,1]}`, "deny fuel: the fuel of the call, 100000000 units, is used up"},
		"a pattern's fuel":          {with("calls/results", ``), `{"f":"regex.find_n","a":["(x+x+)+y{900}","` + strings.Repeat("x", 200_000) + `",-1]}`, "deny fuel: the fuel of the call, 100000000 units, is used up"},
		"a long list":               {with("calls/results", `"fuel":10000000000`), `{"f":"numbers.range_step","a":[0,10000000,1]}`, "deny trap: numbers.range_step: the result would become too long"},
		"a large block":             {with("calls/results", `"fuel":10000000000`), `{"f":"net.cidr_expand","a":["10.0.0.0/8"]}`, "deny trap: net.cidr_expand: the result would become too long"},
		"a large argument":          {with("calls/results", `"fuel":10000000000`), `{"f":"crypto.md5","a":["` + strings.Repeat("x", 600<<10) + `"]}`, "deny abi: crypto.md5: argument 1: the value is too large for a builtin of the host"},
		"many matches":              {with("calls/results", `"fuel":10000000000`), `{"f":"regex.replace","a":["` + strings.Repeat("x", 100_000) + `","x","` + strings.Repeat("y", 100) + `"]}`, "deny trap: regex.replace: the result would become too long"},
		"a large answer":            {with("echo/decision", `"fuel":10000000000`), `{"decision":[0` + strings.Repeat(",0", 70_000) + `]}`, "deny abi: the decision can't be read: "},
		"a large pattern":           {with("calls/results", ``), `{"f":"regex.split","a":["(a{900}b{900}c{900}d{900}e{900})","x"]}`, "deny trap: regex.split: the pattern is too large"},
		"a wide format":             {with("calls/results", ``), `{"f":"sprintf","a":["%*d%*d%*d%*d%*d",[999999,1,999999,1,999999,1,999999,1,999999,1]]}`, "deny trap: sprintf: the result would become too long"},
	} {
		for range 2 { // as before behind a failure
			begin := time.Now()
			if got := sum(ask(t, c.plugin, regoMessage(t, c.arguments))); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %s, want %s (%v)", name, got, c.want, time.Since(begin))
			}
		}
	}
}

// What a call leaves is undone: the same call takes the same fuel, whatever came between.
func TestCallsOfAModuleOfOPAAreAlike(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1, MaxInstances: 1})
	p := load(t, h, regoModule(t, "files/decision"), wasm.Config{})
	q := load(t, h, regoModule(t, "files/decision"), wasm.Config{})
	if p.Info().Image != q.Info().Image || p.Info().Reset == "drop" {
		t.Errorf("%s, %s, reset: %s", p.Info().Image, q.Info().Image, p.Info().Reset)
	}
	first := ask(t, p, regoMessage(t, `{"path":"/srv/acme/a"}`))
	for i := range 50 {
		ask(t, p, regoMessage(t, fmt.Sprintf(`{"path":%q}`, strings.Repeat("x", 997*i))))
		again := ask(t, p, regoMessage(t, `{"path":"/srv/acme/a"}`))
		if sum(again) != "pass" || again.Fuel != first.Fuel {
			t.Fatalf("call %d: %s, %d units, and %d the first time", i, sum(again), again.Fuel, first.Fuel)
		}
	}
}

func TestAPatternCostsTheSameEachTime(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{}), regoModule(t, "calls/results"), wasm.Config{})
	var fuel []int64
	for range 3 {
		fuel = append(fuel, ask(t, p, regoMessage(t, `{"f":"regex.split","a":["[a-f]+,?","abc,def"]}`)).Fuel)
	}
	if fuel[0] != fuel[1] || fuel[1] != fuel[2] {
		t.Errorf("fuel: %v", fuel)
	}
}

func TestCallsOfAModuleOfOPAAtOnce(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), regoModule(t, "calls/results"), wasm.Config{MaxInstances: 3})
	var all sync.WaitGroup
	for g := range 6 {
		all.Go(func() {
			for i := range 50 {
				m := regoMessage(t, fmt.Sprintf(`{"f":"regex.find_n","a":["%d+","a%db%d",-1]}`, g, g, i))
				want := fmt.Sprintf(`"%d"`, g)
				var r wasm.Result
				p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
				if got := sum(&r); !strings.HasPrefix(got, "deny abi: the decision is neither true or false nor an object: [["+want) {
					t.Errorf("%s, want %s", got, want)
					return
				}
			}
		})
	}
	all.Wait()
}
