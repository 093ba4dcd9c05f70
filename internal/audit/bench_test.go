//go:build unix

package audit

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func sample() *Record {
	ids, err := NewIDs(nil)
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 11, 22, 7, 8, 9, 123456789, time.UTC)
	return &Record{
		Kind: Decision, Time: now, DecisionID: ids.Next(now), Revision: "sha256:0f3c9a7d21b84e56",
		PrincipalID: "alice", PrincipalKind: "jwt", Issuer: "https://idp.example", SourceAddress: "127.0.0.1",
		Method: "tools/call", ProtocolVersion: "2026-07-28", RequestID: []byte("17"), Server: "files", Tool: "read_file",
		Phase: "request", Effect: "allow", Policy: "fs-guard", Rule: "inside-project",
		Inputs: []Input{{Name: "args.path", JSON: []byte(`"/srv/project/README.md"`)}}, Decide: 1204 * time.Nanosecond,
	}
}

func open(tb testing.TB) *Log {
	tb.Helper()
	l, err := Open(Options{Path: filepath.Join(tb.TempDir(), "audit.jsonl"), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// cpu reports the processor time of the whole process for one operation, which a busy machine disturbs less than the wall's.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkEncode(b *testing.B) {
	r := sample()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		r.encode(Masker{})
	}
	b.ReportMetric(float64(len(r.line)), "B/record")
}

func BenchmarkEncodeSealed(b *testing.B) {
	r := sample()
	k, _ := sealing(b)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		r.encodeApart(Masker{}, true, k)
	}
	b.ReportMetric(float64(len(r.line)), "B/record")
}

func BenchmarkAppendDurable(b *testing.B) {
	l, r := open(b), sample()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		if err := l.Append(r, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendLater(b *testing.B) {
	l, r := open(b), sample()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		if err := l.Append(r, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendDurable16(b *testing.B) {
	l := open(b)
	b.ReportAllocs()
	b.SetParallelism(8)
	defer cpu(b)()
	var failed atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		r := sample()
		for pb.Next() {
			if l.Append(r, true) != nil {
				failed.Add(1)
			}
		}
	})
	if failed.Load() > 0 {
		b.Fatal(failed.Load(), "appends failed")
	}
	b.ReportMetric(float64(l.Stats().Writes)/float64(b.N), "writes/op")
}

func BenchmarkNextID(b *testing.B) {
	ids, err := NewIDs(nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ids.Next(now)
	}
}
