package policies_test

import (
	"io/fs"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/policies"
)

// Every part of the library has cases that hold, meet every outcome of its conditions, and fail for every mistake that --mutate makes in it.
func TestLibrary(t *testing.T) {
	entries, err := fs.ReadDir(policies.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			report, err := enginetest.Run(t.Context(), []string{e.Name()}, enginetest.Options{Coverage: true, Mutate: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Cases {
				if !c.Passed {
					t.Errorf("%s:%d: %s: %v\n%s", c.File, c.Line, c.Name, c.Differences, c.Explanation)
				}
			}
			for _, m := range report.Coverage.Missing {
				t.Errorf("%s:%d: %s: %s", m.File, m.Line, m.Of, m.What)
			}
			if report.Mutation == nil {
				t.Fatal("nothing was mutated")
			}
			for _, m := range report.Mutation.Survivors {
				t.Errorf("%s:%d: %s %s: no case fails", m.File, m.Line, m.Of, m.What)
			}
		})
	}
}
