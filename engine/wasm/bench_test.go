package wasm_test

import (
	"context"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// threeFields reads three fields, compares one, and denies.
func threeFields() *module {
	m := (&module{}).manifest(simpleManifest)
	field, reason := m.host("field"), m.host("reason")
	m.mem(1, 1)
	m.data(32, "outsideThe path is outside.")
	m.fun("sp_on_request", ":i", "",
		i32(1), i32(1024), i32(64), call(field), drop,
		i32(2), i32(1100), i32(64), call(field), drop,
		i32(0), i32(2048), i32(256), call(field), drop,
		i32(2048), load32(1), i32(0x2f637465), ne, // "etc/"
		cat(raw(0x04, 0x7f), i32(0), raw(0x05), i32(32), i32(7), i32(39), i32(20), call(reason), i32(1), raw(0x0b)),
	)
	return m
}

func BenchmarkAuthorise(b *testing.B) {
	p := plugin(b, threeFields(), wasm.Config{})
	m := message(b, `{"path":"/etc/passwd","limit":10}`)
	c := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
	var r wasm.Result
	p.Call(context.Background(), c, &r)
	if got := sum(&r); got != `deny outside "The path is outside."` {
		b.Fatal(got)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Call(context.Background(), c, &r)
	}
}
