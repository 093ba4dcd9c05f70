package wasm_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const goManifest = `{"abi":"sallyport/1","name":"goguest","version":"1.0.0","hooks":["request"],"reads":{"request":["args.do"]},` +
	`"verdicts":["deny"],"settings_schema":{"type":"object"},"limits":{"pages":512,"fuel":10000000000,"deadline_ms":10000}}`

// goGuest builds the guest in testdata/goguest, once.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "goguest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-trimpath", "-o", out, ".")
	cmd.Dir = "testdata/goguest"
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	section := append(binary.AppendUvarint(nil, uint64(len(hostapi.ManifestSection))), hostapi.ManifestSection+goManifest...)
	return append(append(b, 0), append(binary.AppendUvarint(nil, uint64(len(section))), section...)...), nil
})

func loadGo(t testing.TB, h *wasm.Host) *wasm.Plugin {
	t.Helper()
	b, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	return load(t, h, b, settings(`{"a":1}`))
}

func TestGuestInGo(t *testing.T) {
	p := loadGo(t, newHost(t, wasm.Options{EjectFailures: -1, CacheDir: sharedCache}))
	if diff := cmp.Diff([]wasm.Line{{Level: 1, Text: `configured with {"a":1}`}}, p.Info().BootLogs); diff != "" {
		t.Error(diff)
	}
	do := func(what string) *wasm.Result { return ask(t, p, message(t, `{"do":"`+what+`"}`)) }
	for what, want := range map[string]string{
		"hello":                  `deny read "HELLO"`,
		strings.Repeat("x", 500): `deny read "` + strings.Repeat("X", 500) + `"`,
		"allocate":               `deny allocated "true true"`, // the collector runs, and is not stalled by a clock that leaps
		"sleep":                  `deny slept "1h0m0s"`,
		"goroutines":             `deny sum "285"`,
		"exit":                   "deny trap: the guest exited with 3",
		"panic":                  "deny trap: unreachable",
		"recurse":                "deny trap: stack overflow",
		"state":                  sum(do("state")),
	} {
		if raceEnabled && what == "allocate" {
			continue // a guest's collector has no races that the detector sees
		}
		for range 2 {
			r := do(what)
			if got := sum(r); got != want {
				t.Errorf("%.20s: got %s, want %s", what, got, want)
			}
			if what == "panic" && (len(r.Logs) < 2 || r.Logs[0].Text != "panic: as it was told" || len(r.Failure.Trace) == 0) {
				t.Errorf("the panic logged %v, in %q", r.Logs, r.Failure.Trace)
			}
		}
	}
	state := do("state").Message
	for _, part := range []string{"calls 2 ", " args [] env [] ", " file open /etc/passwd: ", " time 2026-09-21 "} {
		if !strings.Contains(state, part) {
			t.Errorf("%q is not in %s", part, state)
		}
	}
}

func TestGuestInGoIsTheSameInEveryInstance(t *testing.T) {
	h := newHost(t, wasm.Options{CacheDir: sharedCache})
	a, b := loadGo(t, h), loadGo(t, h)
	if a.Info().Image != b.Info().Image || a.Info().BootFuel != b.Info().BootFuel {
		t.Errorf("images %s and %s, booted with %d and %d units", a.Info().Image, b.Info().Image, a.Info().BootFuel, b.Info().BootFuel)
	}
	for _, do := range []string{"hello", "state", "goroutines"} {
		m := message(t, `{"do":"`+do+`"}`)
		want := ask(t, a, m)
		var all sync.WaitGroup
		for range 4 {
			m := message(t, `{"do":"`+do+`"}`)
			all.Go(func() {
				for _, p := range []*wasm.Plugin{a, b} {
					var r wasm.Result
					p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
					if r.Fuel != want.Fuel || sum(&r) != sum(want) {
						t.Errorf("%s: %s with %d units, and %s with %d", do, sum(&r), r.Fuel, sum(want), want.Fuel)
					}
				}
			})
		}
		all.Wait()
	}
}
