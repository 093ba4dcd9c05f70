package binary

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// specDir returns the directory of the specification's tests, which the oracle
// carries, or skips.
func specDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	if _, statErr := os.Stat(dir); err != nil || statErr != nil {
		t.Skip("SKIPPED: wazero's copy of the specification's tests is not in the module cache")
	}
	return dir
}

// specCommand is a step of a test of the specification.
type specCommand struct {
	Type       string
	Line       int
	Name       string
	Filename   string
	Action     specAction
	Expected   []specValue
	ModuleType string `json:"module_type"`
}

type specAction struct {
	Type, Module, Field string
	Args                []specValue
}

type specValue struct {
	Type  string
	Value json.RawMessage
}

// bits returns a value as the engine takes it; ok is false for vectors and what may
// be any NaN.
func (v specValue) bits() (bits uint64, ok bool) {
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		return 0, false
	}
	if s == "null" {
		return 0, true
	}
	bits, err := strconv.ParseUint(s, 10, 64)
	if v.Type == "externref" {
		bits++ // 0 is null
	}
	return bits, err == nil
}

// specRun runs one file of the specification on instrumented modules.
type specRun struct {
	t        *testing.T
	dir      string
	runtime  *oracle
	current  api.Module
	modules  map[string]api.Module
	ran      int // actions
	refused  int // invalid modules
	accepted int // modules
}

// TestSpecification runs the specification's own tests on instrumented modules:
// what they return, that they trap, and that what is invalid isn't made valid.
func TestSpecification(t *testing.T) {
	dir := specDir(t)
	for suite, least := range map[string]specRun{
		"v1":             {ran: 16_000, refused: 1_600, accepted: 700},
		"v2":             {ran: 23_000, refused: 2_800, accepted: 1_400},
		"tail-call":      {ran: 70, refused: 20, accepted: 6},
		"extended-const": {ran: 6, refused: 40, accepted: 9},
	} {
		t.Run(suite, func(t *testing.T) {
			files, _ := filepath.Glob(filepath.Join(dir, suite, "testdata", "*.json"))
			var sum specRun
			for _, file := range files {
				s := specRun{t: t, dir: filepath.Dir(file), runtime: newRuntime(t, ample(), 65536), modules: map[string]api.Module{}}
				s.hosts()
				s.file(file)
				sum.ran, sum.refused, sum.accepted = sum.ran+s.ran, sum.refused+s.refused, sum.accepted+s.accepted
			}
			if sum.ran < least.ran || sum.refused < least.refused || sum.accepted < least.accepted {
				t.Errorf("%d actions, %d modules refused, %d accepted; wanted at least %d, %d, %d",
					sum.ran, sum.refused, sum.accepted, least.ran, least.refused, least.accepted)
			}
			t.Logf("%d actions, %d modules refused, %d accepted", sum.ran, sum.refused, sum.accepted)
		})
	}
}

// hosts offers the functions that the specification's modules import.
func (s *specRun) hosts() {
	b := s.runtime.NewHostModuleBuilder("spectest")
	nothing := api.GoFunc(func(context.Context, []uint64) {})
	for name, params := range map[string][]api.ValueType{
		"print": nil, "print_i32": {api.ValueTypeI32}, "print_i64": {api.ValueTypeI64},
		"print_f32": {api.ValueTypeF32}, "print_f64": {api.ValueTypeF64},
		"print_i32_f32": {api.ValueTypeI32, api.ValueTypeF32},
		"print_f64_f64": {api.ValueTypeF64, api.ValueTypeF64},
	} {
		b = b.NewFunctionBuilder().WithGoFunction(nothing, params, nil).Export(name)
	}
	if _, err := b.Instantiate(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *specRun) file(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	var doc struct{ Commands []specCommand }
	if json.Unmarshal(text, &doc) != nil {
		return // a text that isn't UTF-8, of which only invalid text is made
	}
	for _, c := range doc.Commands {
		name := strings.TrimSuffix(filepath.Base(path), ".json") + ":" + strconv.Itoa(c.Line)
		switch c.Type {
		case "module":
			s.current = s.module(name, c)
			s.modules[c.Name] = s.current
		case "register": // others may change it, and they aren't run
			s.current = nil
			delete(s.modules, c.Name)
		case "action", "assert_return":
			s.action(name, c, false)
		case "assert_trap", "assert_exhaustion":
			s.action(name, c, c.Action.Type == "invoke")
		case "assert_invalid", "assert_malformed":
			s.invalid(name, c)
		}
	}
}

// module instantiates an instrumented module, or returns nil if it imports what a
// plugin can't.
func (s *specRun) module(name string, c specCommand) api.Module {
	code, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	if err != nil {
		return nil
	}
	m, err := Parse(code)
	if err != nil {
		s.t.Errorf("%s: Parse: %v", name, err)
		return nil
	}
	for _, i := range m.Imports() {
		if i.Kind != KindFunc || i.Module != "spectest" {
			return nil
		}
	}
	res, err := m.Instrument(Options{MaxPages: 65536, MaxTable: 1 << 24})
	if err != nil {
		s.t.Errorf("%s: Instrument: %v", name, err)
		return nil
	}
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	inst, err := s.runtime.InstantiateWithConfig(context.Background(), res.Code, cfg)
	if err != nil {
		s.t.Errorf("%s: %v", name, err)
		return nil
	}
	s.accepted++
	return inst
}

func (s *specRun) action(name string, c specCommand, trap bool) {
	mod := s.current
	if c.Action.Module != "" {
		mod = s.modules[c.Action.Module]
	}
	if mod == nil || c.Action.Type != "invoke" {
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		v, ok := a.bits()
		if !ok {
			return
		}
		args = append(args, v)
	}
	s.ran++
	out, err := mod.ExportedFunction(c.Action.Field).Call(context.Background(), args...)
	if trap != (err != nil) {
		s.t.Errorf("%s: %v, a trap is wanted: %t", name, err, trap)
		return
	}
	for i, e := range c.Expected {
		want, ok := e.bits()
		if !ok || trap {
			return // a vector takes two places
		}
		got := out[i]
		if e.Type == "i32" || e.Type == "f32" {
			got = uint64(uint32(got))
		}
		if got != want {
			s.t.Errorf("%s: result %d is %#x, want %#x", name, i, got, want)
		}
	}
}

// invalid checks that what the engine refuses is refused, at the latest by the
// engine, once it is instrumented.
func (s *specRun) invalid(name string, c specCommand) {
	code, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	if err != nil || c.ModuleType == "text" {
		return
	}
	ctx := context.Background()
	if _, err := s.runtime.CompileModule(ctx, code); err == nil {
		return
	}
	s.refused++
	m, err := Parse(code)
	if err != nil {
		return
	}
	res, err := m.Instrument(Options{MaxPages: 65536, MaxTable: 1 << 24})
	if err != nil {
		return
	}
	if _, err := s.runtime.CompileModule(ctx, res.Code); err == nil {
		s.t.Errorf("%s: an invalid module became valid", name)
	}
}
