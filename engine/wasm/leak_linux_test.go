package wasm_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// images counts the process's mappings and descriptors of images of plugins.
func images(t *testing.T) (mappings, descriptors int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "sallyport-image") {
			descriptors++
		}
	}
	return strings.Count(string(maps), "sallyport-image"), descriptors
}

func TestNothingIsLeftOfPluginsThatAreClosedOrRefused(t *testing.T) {
	before, _ := images(t)
	h := newHost(t, wasm.Options{EjectFailures: -1})
	broken := passes(plain(simpleManifest))
	broken.fun("sp_selftest", ":i", "", unreachable)
	for range 20 {
		p := load(t, h, spin(0).withFuel(100_000).bytes(), wasm.Config{})
		for range 3 { // fail, so that instances are thrown away
			ask(t, p, message(t, harm))
		}
		ask(t, p, message(t, `{}`))
		if mappings, descriptors := images(t); mappings == before || descriptors != 1 {
			t.Fatalf("a plugin has %d mappings and %d descriptors", mappings-before, descriptors)
		}
		p.Close()
		if _, err := h.Load(context.Background(), broken.bytes(), wasm.Config{}); err == nil {
			t.Fatal("loaded")
		}
	}
	if mappings, descriptors := images(t); mappings != before || descriptors != 0 {
		t.Errorf("%d mappings and %d descriptors are left", mappings-before, descriptors)
	}
}

// The code that the compiler makes is not the collector's to see, but must go with its plugin.
func TestCodeOfClosedPluginsIsFreed(t *testing.T) {
	h := newHost(t, wasm.Options{})
	executable := func() int {
		runtime.GC()
		runtime.GC()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(maps), "r-xp 00000000 00:00 0")
	}
	before := executable()
	for i := range 30 {
		m := needPath()
		m.data(int32(100+i), "x") // another module
		p, err := h.Load(context.Background(), m.bytes(), wasm.Config{Pages: 1 + i})
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	if after := executable(); after > before+5 {
		t.Errorf("%d mappings of code became %d", before, after)
	}
}
