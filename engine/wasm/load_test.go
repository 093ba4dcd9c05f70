package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// plain is a guest that passes everything, to be changed.
func plain(manifest string) *module {
	m := &module{}
	if manifest != "" {
		m.manifest(manifest)
	}
	return m
}

func passes(m *module) *module {
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0))
	return m
}

func withManifest(change ...string) string {
	return strings.NewReplacer(change...).Replace(simpleManifest)
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		config wasm.Config
		want   []string // code: message; help
	}{
		"text":      {[]byte("package main"), wasm.Config{}, []string{"module: not a module that can be run: wasm: module section at offset 0x0: not WebAssembly: it doesn't begin with \\0asm; give the .wasm file that the compiler wrote, not text or source"}},
		"nothing":   {nil, wasm.Config{}, []string{"module: not a module that can be run: wasm: module section at offset 0x0: not WebAssembly: it doesn't begin with \\0asm; give the .wasm file that the compiler wrote, not text or source"}},
		"too large": {make([]byte, hostapi.LimitModuleBytes+1), wasm.Config{}, []string{"limit: the module has 8388609 bytes; strip debug information and symbols; a module may have 8388608 bytes"}},
		"no manifest": {passes(plain("")).bytes(), wasm.Config{}, []string{
			"manifest: there is no custom section sallyport.manifest; build the plugin with an SDK, or add the custom section",
		}},
		"a wrong manifest": {passes(plain(withManifest(`"simple"`, `"Simple"`, `"deny"`, `"allow"`))).bytes(), wasm.Config{}, []string{
			`manifest: manifest: verdicts[0]: "allow" is not a verdict; one of pass, deny, mutate, approve, abstain`,
			`manifest: manifest: name: "Simple" is not a name of a plugin; write words of a-z and 0-9 with - between them; at most 64 bytes`,
		}},
		"no memory": {func() []byte {
			m := plain(simpleManifest)
			m.fun("sp_on_request", ":i", "", i32(0))
			return m.bytes()
		}(), wasm.Config{}, []string{"export: the module has no memory; define a memory"}},
		"a memory that is not exported": {func() []byte {
			m := passes(plain(simpleManifest))
			m.exports[0] = cat(named("mem"), raw(2, 0))
			return m.bytes()
		}(), wasm.Config{}, []string{`export: the memory is not exported; export it as "memory"`}},
		"unknown imports": {func() []byte {
			m := plain(simpleManifest)
			m.imp("env", "abort", "iiii:")
			m.imp("sallyport_v1", "read_file", "i:i")
			m.imp("wasi_snapshot_preview1", "fd_fly", "i:i")
			m.imp("sallyport_v1", "field", "i:i")
			m.imp("wasi_snapshot_preview1", "fd_write", "i:i")
			m.imp("wasi_snapshot_preview1", "proc_exit", "i:i")
			return passes(m).bytes()
		}(), wasm.Config{}, []string{
			"import: the module imports env.abort, which there is not; a plugin can import functions of sallyport_v1 and wasi_snapshot_preview1",
			"import: the module imports sallyport_v1.read_file, which this host doesn't have; build the plugin for this host's version, or name the feature that has it in features.optional",
			"import: the module imports wasi_snapshot_preview1.fd_fly, which there is not; build for WASI preview 1",
			"import: the module imports sallyport_v1.field as (i32) -> (i32); its type is (i32, i32, i32) -> (i32)",
			"import: the module imports wasi_snapshot_preview1.fd_write as (i32) -> (i32); its type is (i32, i32, i32, i32) -> (i32)",
			"import: the module imports wasi_snapshot_preview1.proc_exit as (i32) -> (i32); its type is (i32) -> ()",
		}},
		"exports": {func() []byte {
			m := plain(simpleManifest)
			m.mem(1, 1)
			m.fun("sp_on_requst", ":i", "", i32(0))
			m.fun("sp_on_list", ":i", "", i32(0))
			m.fun("sp_selftest", ":", "")
			m.fun("__sallyport_x", ":", "")
			m.fun("sp_configure", "ii:i", "", i32(0))
			m.exp("sp_on_response", 2, 0)
			return m.bytes()
		}(), wasm.Config{}, []string{
			"export: the module exports sp_on_requst, which is no export of the ABI; the ABI has _initialize, sp_alloc, sp_validate_settings, sp_configure, sp_selftest, sp_on_request, sp_on_response, sp_on_list",
			"export: the module exports sp_selftest as () -> (); its type is () -> (i32)",
			"export: the module exports __sallyport_x; name it otherwise: names that begin with __sallyport are the host's",
			"export: the module exports the memory sp_on_response; export a function of the type () -> (i32)",
			"export: the module takes settings, and has no sp_alloc; export it: it gives the settings a place",
			"export: the manifest declares the hook request, and the module has no sp_on_request; export it, or take request out of hooks",
			`manifest: the module exports sp_on_list, and the manifest doesn't declare the hook; add "list" to hooks, or don't export it`,
		}},
		"too much memory": {func() []byte {
			m := plain(simpleManifest)
			m.mem(17, 0)
			m.fun("sp_on_request", ":i", "", i32(0))
			return m.bytes()
		}(), wasm.Config{Pages: 16}, []string{
			"limit: the module begins with 17 pages of memory, and may have 16; ask for 17 pages or more in limits.pages, and grant them, or link the module with less memory",
		}},
		"does not validate": {func() []byte {
			m := plain(simpleManifest)
			m.mem(1, 1)
			m.fun("sp_on_request", ":i", "", i64(0))
			return m.bytes()
		}(), wasm.Config{}, []string{"compile: the module doesn't compile: "}},
		"data outside": {func() []byte {
			m := passes(plain(simpleManifest))
			m.data(65530, "1234567")
			return m.bytes()
		}(), wasm.Config{}, []string{"boot: 7 bytes of data at 65530 don't fit into the memory of 65536 bytes; link the module anew"}},
		"what is not asked for is granted": {passes(plain(simpleManifest)).bytes(), wasm.Config{Grant: wasm.Grant{
			Reads: paths("args"), Strings: paths("args"), Writes: paths("args"), Verdicts: []hostapi.Verdict{hostapi.VerdictMutate}, Capabilities: capabilities("match:pii"),
		}}, []string{
			"grant: reads: args is granted, which the plugin doesn't ask for; grant what the manifest asks for, or less",
			"grant: strings: args is granted, which the plugin doesn't ask for; grant what the manifest asks for, or less",
			"grant: writes: args is granted, which the plugin doesn't ask for; grant what the manifest asks for, or less",
			"grant: the verdict mutate is granted, which the plugin doesn't ask for; grant what the manifest asks for, or less",
			"grant: match:pii is granted, which the plugin doesn't ask for; grant what the manifest asks for, or less",
		}},
		"what is not there is granted": {everything().bytes(), wasm.Config{
			Grant: wasm.Grant{Capabilities: capabilities("lookup:tenants", "match:pii")}, Matchers: map[string]wasm.Matcher{"pci": emails},
		}, []string{
			"grant: lookup:tenants is granted, and this host has none of that name; there are none",
			"grant: match:pii is granted, and this host has none of that name; there are pci",
		}},
		"strings with two indexes": {everything().bytes(), wasm.Config{Grant: wasm.Grant{Strings: paths("args.list[*].b", "args.list[1]")}}, []string{
			"grant: strings: args.list[*].b and args.list[1] share places; grant one of them",
		}},
		"settings for a plugin that takes none": {passes(plain(simpleManifest)).bytes(), wasm.Config{Settings: []byte(`{"a":1}`)}, []string{
			"settings: the plugin takes no settings; remove them",
		}},
		"settings that are not an object": {passes(plain(simpleManifest)).bytes(), wasm.Config{Settings: []byte(`[]`)}, []string{
			"settings: the settings are of the type array; give a JSON object",
		}},
		"settings that are not JSON": {passes(plain(simpleManifest)).bytes(), wasm.Config{Settings: []byte(`{"a":1,"a":2}`)}, []string{
			"settings: the settings can't be read: json: duplicate member name at offset 7; give one JSON object",
		}},
		"settings that are too long": {passes(plain(simpleManifest)).bytes(), wasm.Config{Settings: []byte(`{"a":"` + strings.Repeat("x", 1<<16) + `"}`)}, []string{
			"settings: the settings have 65544 bytes; at most 65536 bytes",
		}},
		"settings that nobody can check": {passes(plain(schemaManifest)).bytes(), wasm.Config{Settings: []byte(`{}`)}, []string{
			"settings: the settings can't be checked: this host has nothing that does",
		}},
		"settings that don't fit the schema": {passes(plain(schemaManifest)).bytes(), wasm.Config{Settings: []byte(`{"a": 1}`), CheckSettings: func(schema, settings []byte) error {
			return fmt.Errorf("%s does not fit %s", settings, schema)
		}}, []string{
			`settings: the settings don't fit the plugin's schema: {"a": 1} does not fit {"type":"object"}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, wasm.Options{})
			p, err := h.Load(context.Background(), c.module, c.config)
			if err == nil {
				t.Fatalf("loaded %v", p.Info())
			}
			checkErrors(t, err, c.want)
		})
	}
}

const schemaManifest = `{"abi":"sallyport/1","name":"simple","version":"1.0.0","hooks":["request"],"verdicts":["deny"],"settings_schema":{"type":"object"}}`

// checkErrors compares load errors. A wanted one that ends in ": " is a beginning.
func checkErrors(t *testing.T, err error, want []string) {
	t.Helper()
	var es wasm.LoadErrors
	if !errors.As(err, &es) {
		t.Fatalf("not load errors: %v", err)
	}
	var got []string
	for i, e := range es {
		s := fmt.Sprintf("%s: %v", e.Code, e)
		if i < len(want) && strings.HasSuffix(want[i], ": ") && strings.HasPrefix(s, want[i]) {
			s = want[i]
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// settled is a guest that keeps its settings at 1024 and answers with what the functions say.
func settled(validate, configure, selftest []byte) *module {
	m := &module{}
	m.manifest(`{"abi":"sallyport/1","name":"settled","version":"1.0.0","hooks":["request"],"verdicts":["deny"],"settings_schema":{"type":"object"}}`)
	reason, note, log, fail := m.host("reason"), m.host("note"), m.host("log"), m.host("fail")
	_, _, _, _ = reason, note, log, fail // 0, 1, 2, 3
	m.mem(1, 2)
	m.data(0, "bad_settingThe mask is empty.path/mask")
	m.fun("_initialize", ":", "", i32(1), i32(0), i32(11), call(log))
	m.fun("sp_alloc", "i:i", "", i32(2040), local(0), store32(8), i32(1024))
	m.fun("sp_validate_settings", "ii:i", "", validate)
	m.fun("sp_configure", "ii:i", "", configure)
	m.fun("sp_selftest", ":i", "", selftest)
	m.fun("sp_on_request", ":i", "",
		i32(0), i32(11), i32(1024), i32(2048), load32(0), call(reason), i32(1))
	return m
}

func settings(text string) wasm.Config {
	return wasm.Config{Settings: []byte(text), CheckSettings: func(_, _ []byte) error { return nil }}
}

func TestSettingsReachTheGuestWithoutWhiteSpace(t *testing.T) {
	good := i32(0)
	var digests []string
	for _, c := range []struct{ text, want string }{
		{`{ "mask" : "*\u002a" }`, `deny bad_setting "{\"mask\":\"**\"}"`},
		{"", `deny bad_setting "{}"`},
	} {
		p := plugin(t, settled(good, good, good), settings(c.text))
		for range 2 {
			if got := sum(ask(t, p, message(t, `{}`))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		}
		info := p.Info()
		digests = append(digests, info.Settings, info.Image)
		if diff := cmp.Diff([]wasm.Line{{Level: 1, Text: "bad_setting"}}, info.BootLogs); diff != "" {
			t.Error(diff)
		}
		if info.BootFuel == 0 || info.Boot <= 0 {
			t.Errorf("booting took %d units and %v", info.BootFuel, info.Boot)
		}
	}
	if digests[0] == digests[2] || digests[1] == digests[3] {
		t.Errorf("other settings, the same digests %v", digests)
	}
}

func TestGuestThatRefusesItsSettingsOrItselfIsNotLoaded(t *testing.T) {
	good, bad := i32(0), i32(7)
	says := cat(i32(0), i32(11), i32(11), i32(18), call(0), i32(29), i32(4), i32(33), i32(5), call(1), i32(7))
	gives := cat(i32(0), i32(11), call(3), i32(0))
	for name, c := range map[string]struct {
		validate, configure, selftest []byte
		want                          string
	}{
		"validate, with words": {says, good, good, "settings: /mask: the plugin refuses its settings: The mask is empty. (bad_setting)"},
		"validate":             {bad, good, good, "settings: the plugin refuses its settings (7)"},
		"configure":            {good, bad, good, "settings: the plugin refuses its settings (7)"},
		"selftest":             {good, good, bad, "selftest: the plugin's self-test found a mistake (7); report it to whoever wrote the plugin"},
		"validate traps":       {cat(unreachable), good, good, "boot: sp_validate_settings failed: trap: unreachable; see what the plugin logged, or report it to whoever wrote it"},
		"configure gives up":   {good, gives, good, "boot: sp_configure failed: trap: the guest gave up: bad_setting; see what the plugin logged, or report it to whoever wrote it"},
		"selftest loops":       {good, good, loop(), "boot: sp_selftest failed: fuel: the fuel of the call, 1000000 units, is used up; see what the plugin logged, or report it to whoever wrote it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, wasm.Options{BootFuel: 1_000_000})
			if name == "selftest loops" {
				c.selftest = cat(c.selftest, unreachable)
			}
			_, err := h.Load(context.Background(), settled(c.validate, c.configure, c.selftest).bytes(), settings(`{"mask":""}`))
			checkErrors(t, err, []string{c.want})
			var e *wasm.LoadError
			if errors.As(err, &e) && len(e.Logs) != 1 {
				t.Errorf("logs %v", e.Logs)
			}
		})
	}
}

func TestWordsBeforeTheSettingsDoNothing(t *testing.T) {
	m := settled(i32(7), i32(0), i32(0))
	for i, e := range m.exports {
		if strings.Contains(string(e), "_initialize") {
			m.exports = append(m.exports[:i], m.exports[i+1:]...)
			break
		}
	}
	m.fun("_initialize", ":", "", i32(0), i32(11), i32(11), i32(18), call(0), i32(29), i32(4), i32(33), i32(5), call(1))
	_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), settings(`{}`))
	checkErrors(t, err, []string{"settings: the plugin refuses its settings (7)"})
}

func TestAllocOfSettingsMustLieInTheMemory(t *testing.T) {
	for at, want := range map[int32]string{
		0:     "boot: sp_alloc(2) returned 0, in a memory of 65536 bytes; return the address of as many bytes as are asked for",
		65535: "boot: sp_alloc(2) returned 65535, in a memory of 65536 bytes; return the address of as many bytes as are asked for",
		-1:    "boot: sp_alloc(2) returned 4294967295, in a memory of 65536 bytes; return the address of as many bytes as are asked for",
	} {
		m := passes(plain(simpleManifest))
		m.fun("sp_alloc", "i:i", "", i32(at))
		m.fun("sp_configure", "ii:i", "", i32(0))
		_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
		checkErrors(t, err, []string{want})
	}
}

func TestBootingIsBounded(t *testing.T) {
	m := passes(plain(simpleManifest))
	m.fun("_initialize", ":", "", loop())
	h := newHost(t, wasm.Options{Now: ticking(time.Millisecond), BootTime: time.Second})
	_, err := h.Load(context.Background(), m.bytes(), wasm.Config{})
	checkErrors(t, err, []string{"boot: _initialize failed: deadline: the guest was still running at its deadline; see what the plugin logged, or report it to whoever wrote it"})

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newHost(t, wasm.Options{}).Load(ctx, m.bytes(), wasm.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestStartRunsFirst(t *testing.T) {
	m := plain(simpleManifest)
	reason := m.host("reason")
	m.mem(1, 1)
	m.data(16, "zero")
	m.fun("sp_on_request", ":i", "", i32(16), i32(1), i32(16), i32(4), call(reason), i32(1))
	start := m.fun("", ":", "", i32(0), i32(16), load8(0), store8(17)) // behind the data
	m.start = &start
	m.fun("_initialize", ":", "", i32(0), i32(0), load8(17), store8(18))
	if got := sum(ask(t, plugin(t, m, wasm.Config{}), message(t, `{}`))); got != `deny z "zzzo"` {
		t.Error(got)
	}
}

func TestFunctionsOfHooksFailWhileBooting(t *testing.T) {
	m := plain(simpleManifest)
	field := m.host("field_kind")
	passes(m)
	m.fun("_initialize", ":", "", i32(0), call(field), drop)
	_, err := newHost(t, wasm.Options{}).Load(context.Background(), m.bytes(), wasm.Config{})
	checkErrors(t, err, []string{"boot: _initialize failed: abi: field_kind is called where it may not be: before the first hook; see what the plugin logged, or report it to whoever wrote it"})
}

func TestPluginNewerThanItsHost(t *testing.T) {
	m := plain(withManifest(`"verdicts"`, `"features":{"optional":["teleport"],"require":["strings"]},"verdicts"`))
	teleport, field := m.imp(hostapi.Module, "teleport", "iIfF:I"), m.host("field_kind")
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0), call(field), when(i32(1), i64(2), raw(0x43, 0, 0, 0, 0), f64(4), call(teleport), drop), i32(0))
	p := plugin(t, m, wasm.Config{})
	for range 2 {
		if got := sum(ask(t, p, message(t, `{}`))); got != "pass" {
			t.Error(got)
		}
		if got, want := sum(ask(t, p, message(t, `{"path":"x"}`))), "deny abi: this host has no function teleport"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInspectSaysWhatAPluginIs(t *testing.T) {
	module := everything().bytes()
	info, err := wasm.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	p := load(t, newHost(t, wasm.Options{}), module, everyGrant(t))
	loaded := p.Info()
	if info.Module != loaded.Module || info.Code != loaded.Code || info.Manifest.Name != "everything" || info.ModuleBytes != len(module) || info.Image != "" {
		t.Errorf("inspected %+v, loaded %+v", info, loaded)
	}
	if diff := cmp.Diff(capabilities("lookup:secret", "match:secret"), loaded.Ungranted); diff != "" {
		t.Error(diff)
	}
	if loaded.Reset == "" || loaded.ImageBytes != 65536 || loaded.CostModel == 0 || !strings.HasPrefix(loaded.Image, "sha256:") {
		t.Errorf("%+v", loaded)
	}
	if _, err := wasm.Inspect([]byte("x")); err == nil {
		t.Error("text is inspected")
	}
}

func TestClosedHostLoadsNothing(t *testing.T) {
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Load(context.Background(), needPath().bytes(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := sum(ask(t, p, message(t, `{}`))), "deny trap: no instance: the plugin is closed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := h.Load(context.Background(), needPath().bytes(), wasm.Config{}); err == nil {
		t.Error("loaded")
	}
}
