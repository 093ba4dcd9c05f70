// Command goguest is a plugin without an SDK, for the tests of engine/wasm. What it does
// depends on the argument "do" of the call.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"
	"unsafe"
)

func main() {}

//go:wasmimport sallyport_v1 field
func hostField(id int32, buf unsafe.Pointer, size uint32) int32

//go:wasmimport sallyport_v1 reason
func hostReason(code unsafe.Pointer, codeLen uint32, text unsafe.Pointer, textLen uint32)

var (
	settings []byte
	garbage  [][]byte
	calls    int
)

//go:wasmexport sp_alloc
func alloc(n uint32) unsafe.Pointer {
	settings = make([]byte, n)
	return unsafe.Pointer(unsafe.SliceData(settings))
}

//go:wasmexport sp_configure
func configure(unsafe.Pointer, uint32) int32 {
	fmt.Println("configured with", string(settings))
	return 0
}

func field(id int32) (string, bool) {
	buf := make([]byte, 64)
	for {
		n := hostField(id, unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
		switch {
		case n < 0:
			return "", false
		case int(n) <= len(buf):
			return string(buf[:n]), true
		}
		buf = make([]byte, n)
	}
}

func deny(code, text string) int32 {
	hostReason(unsafe.Pointer(unsafe.StringData(code)), uint32(len(code)), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
	return 1
}

//go:wasmexport sp_on_request
func onRequest() int32 {
	calls++
	what, ok := field(0)
	if !ok {
		return 0
	}
	switch what {
	case "panic":
		panic("as it was told")
	case "loop":
		for {
			calls++
		}
	case "recurse":
		return int32(recurse(1))
	case "allocate":
		return allocate()
	case "sleep":
		begin := time.Now()
		time.Sleep(time.Hour)
		return deny("slept", time.Since(begin).Round(time.Hour).String())
	case "goroutines":
		return goroutines()
	case "state":
		return state()
	case "exit":
		os.Exit(3)
	}
	return deny("read", strings.ToUpper(what))
}

func recurse(n int) int { return recurse(n+1) + 1 }

// allocate makes the garbage collector run some hundred times, and says how large the heap is.
func allocate() int32 {
	for i := range 20_000 {
		b := make([]byte, 32<<10)
		b[i%len(b)] = 1
		garbage = append(garbage[:min(len(garbage), 8)], b)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return deny("allocated", fmt.Sprintf("%v %v", m.NumGC > 105, m.HeapSys < 16<<20))
}

func goroutines() int32 {
	c := make(chan int)
	for i := range 10 {
		go func() { c <- i * i }()
	}
	sum := 0
	for range 10 {
		sum += <-c
	}
	return deny("sum", fmt.Sprint(sum))
}

// state says what a guest could know of other calls, and of the machine.
func state() int32 {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	m := map[string]int{}
	for i := range 100 {
		m[fmt.Sprint(i)] = i
	}
	var order []string
	for k := range m {
		order = append(order, k)
		if len(order) == 3 {
			break
		}
	}
	env := os.Environ()
	sort.Strings(env)
	_, err := os.ReadFile("/etc/passwd")
	return deny("state", fmt.Sprintf("calls %d random %x order %v args %v env %v file %v time %v", calls, b, order, os.Args, env, err, time.Now().UTC()))
}
