package workload

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// BenchmarkPieces reads and compiles the thousand rules and six plugins of SwapPolicies, and says how long the pieces of that are between
// which it can rest, in time of the processor.
func BenchmarkPieces(b *testing.B) {
	runtime.LockOSThread() // its time is counted
	defer runtime.UnlockOSThread()
	host, err := wasm.New(wasm.Options{CacheDir: filepath.Join(b.TempDir(), "cache")})
	if err != nil {
		b.Fatal(err)
	}
	var previous *engine.Snapshot
	var pieces []time.Duration
	var all time.Duration
	round := 0
	activate := func(dir string) {
		last := worked(b)
		pause := func() {
			now := worked(b)
			pieces = append(pieces, now-last)
			all += now - last
			last = now
		}
		set, err := bundle.OpenPaced(dir, pause)
		if err != nil {
			b.Fatal(err)
		}
		s, err := engine.Compile(b.Context(), set, engine.Options{Plugins: host, Previous: previous, Pause: pause})
		if err != nil {
			b.Fatal(err)
		}
		pause()
		previous.Close()
		previous = s
	}
	activate(files(b, 0)) // compiles the plugins
	pieces, all = nil, 0
	for b.Loop() {
		round++
		activate(files(b, round))
	}
	previous.Close()
	if err := host.Close(); err != nil {
		b.Error(err)
	}
	slices.Sort(pieces)
	b.ReportMetric(float64(all.Microseconds())/float64(round)/1e3, "cpu-ms/op")
	b.ReportMetric(float64(pieces[len(pieces)*99/100].Microseconds()), "p99-piece-us")
	b.ReportMetric(float64(pieces[len(pieces)-1].Microseconds()), "longest-piece-us")
}

// files writes the policies of a round, and what they call.
func files(b *testing.B, round int) string {
	dir := b.TempDir()
	put := func(name string, data []byte) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for name, text := range SwapPolicies(round) {
		put(name, []byte(text))
	}
	for _, name := range Plugins {
		module, err := os.ReadFile(filepath.Join("../../../plugins", name, name+".wasm"))
		if err != nil {
			b.Fatal(err)
		}
		put(name+".wasm", module)
	}
	return dir
}

// worked is how long this thread has had a processor. getrusage would count in ticks of the system's, of up to 10 ms.
func worked(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
