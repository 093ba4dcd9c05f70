package hostapi

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryHookHasAnExport(t *testing.T) {
	for _, h := range Hooks() {
		i := slices.IndexFunc(exports, func(f Function) bool { return f.Name == h.Export() })
		if i < 0 || len(exports[i].Params) != 0 || !slices.Equal(exports[i].Results, []ValueType{I32}) {
			t.Errorf("%s: %q is at %d of the exports", h, h.Export(), i)
		}
	}
	if got := Hook(9).Export(); got != "" {
		t.Errorf("a hook that there isn't has the export %q", got)
	}
}

func TestStage_allows(t *testing.T) {
	for _, c := range []struct {
		function            string
		boot, request, list bool
	}{
		{FuncField, false, true, true},
		{FuncItem, false, false, true},
		{FuncLog, true, true, true},
		{FuncNowMS, false, true, true},
	} {
		i := slices.IndexFunc(functions, func(f Function) bool { return f.Name == c.function })
		s := functions[i].Stage
		if s.Allows(false, 0) != c.boot || s.Allows(true, HookRequest) != c.request || s.Allows(true, HookList) != c.list {
			t.Errorf("%s: stage %d", c.function, s)
		}
	}
	if Stage(9).Allows(true, HookRequest) || Stage(9).Allows(false, HookRequest) {
		t.Error("a stage that there isn't allows something")
	}
	if !StageBoot.Allows(false, 0) || StageBoot.Allows(true, HookRequest) {
		t.Error("boot is not before the hooks")
	}
}

func TestNamesOfValuesRoundTrip(t *testing.T) {
	for v := VerdictPass; v <= VerdictAbstain; v++ {
		if got, ok := ParseVerdict(v.String()); !ok || got != v {
			t.Errorf("%d is %q, which is %d", v, v, got)
		}
	}
	if _, ok := ParseVerdict("verdict 9"); ok || Verdict(9).String() != "verdict 9" {
		t.Errorf("9 is %q", Verdict(9))
	}
	for f := FeatureStrings; f <= FeatureLookup; f++ {
		if got, ok := ParseFeature(f.String()); !ok || got != f {
			t.Errorf("%d is %q, which is %d", f, f, got)
		}
	}
}

func TestTheTablesAreCopies(t *testing.T) {
	Functions()[0].Name, Exports()[0].Name, Names()[0].Name = "x", "x", "x"
	if functions[0].Name == "x" || exports[0].Name == "x" || names[0].Name == "x" {
		t.Error("a caller can change the tables")
	}
}

// The parser looks names up by halving.
func TestNamesAreSorted(t *testing.T) {
	if !slices.IsSortedFunc(names, func(a, b Name) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("names in abi.json are not sorted")
	}
	for _, n := range names {
		if n.At == "" {
			continue
		}
		if _, err := ParsePath(n.At); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	for _, p := range protected {
		if _, err := ParsePath(p); err != nil {
			t.Error(err)
		}
	}
}
