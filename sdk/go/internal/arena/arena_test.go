package arena

import (
	"strings"
	"testing"
)

func put(a *Arena, text string) string {
	if a.Grow(int32(len(text))) && len(a.Room()) < len(text) {
		panic("no room")
	}
	copy(a.Room(), text)
	got, _ := a.Take(int32(len(text)))
	return got
}

func TestTake_keepsWhatWasTakenWhenTheArenaGrows(t *testing.T) {
	var a Arena
	var all, got []string
	for i := range 60 {
		text := strings.Repeat(string(rune('a'+i%26)), 1+i*i*7)
		all, got = append(all, text), append(got, put(&a, text))
	}
	for i := range all {
		if got[i] != all[i] {
			t.Fatalf("the text %d is another now", i)
		}
	}
}

func TestTake(t *testing.T) {
	a := New()
	for n, want := range map[int32]bool{-2: false, -1: false, 0: true} {
		if text, ok := a.Take(n); ok != want || text != "" {
			t.Errorf("%d: %q %v, want none and %v", n, text, ok, want)
		}
	}
}

func TestReset_usesTheSameMemory(t *testing.T) {
	a := New()
	put(&a, "abc")
	a.Reset()
	if n := testing.AllocsPerRun(10, func() { a.Reset(); put(&a, strings.Repeat("x", 1000)) }); n > 1 { // Repeat's own
		t.Errorf("%v allocations", n)
	}
	if got := put(&a, "y"); got != "y" {
		t.Errorf("got %q", got)
	}
}
