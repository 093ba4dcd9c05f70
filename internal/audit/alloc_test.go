//go:build !race && unix

package audit

import (
	"path/filepath"
	"testing"
)

func TestAppendDoesNotAllocate(t *testing.T) {
	l, r := open(t), sample()
	r.Tool, r.Cause = "caf\u00e9", "Bearer "+canary
	r.Inputs = append(r.Inputs, Input{"args", []byte(`{"password":"x","q":"\u0041\n"}`)})
	mustAppend(t, l, r, true)
	if n := testing.AllocsPerRun(1000, func() { _ = l.Append(r, true) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	ids, err := NewIDs(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { r.DecisionID = ids.Next(at) }); n != 0 {
		t.Errorf("Next allocates %v times", n)
	}
}

func TestSealingDoesNotAllocate(t *testing.T) {
	k, _ := sealing(t)
	l := sealedAt(t, filepath.Join(t.TempDir(), "a.jsonl"), k)
	r := sample()
	mustAppend(t, l, r, true)
	if n := testing.AllocsPerRun(1000, func() { _ = l.Append(r, true) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}
