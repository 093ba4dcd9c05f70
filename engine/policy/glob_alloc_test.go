//go:build !race

package policy

import "testing"

func TestGlobMatchDoesNotAllocate(t *testing.T) {
	g, err := NameGlob("*a*a?b")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { g.Match("aaaaaaaaaaaaaaaXb") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
