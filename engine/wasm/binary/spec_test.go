package binary

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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

type specCommand struct {
	Type     string
	Line     int
	Name, As string
	Filename string
	Text     string
	Action   struct {
		Type, Module, Field string
		Args                []specValue
	}
	Expected []specValue
	ModuleType string `json:"module_type"`
}

type specValue struct {
	Type, LaneType string
	Value          json.RawMessage
}

func TestScratchSpec(t *testing.T) {
	dir := specDir(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*", "testdata", "*.json"))
	tot, ok := 0, 0
	for _, f := range files {
		base := filepath.Base(filepath.Dir(filepath.Dir(f)))
		if base == "threads" || base == "exception-handling" || base == "typed-function-references" {
			continue
		}
		b, _ := os.ReadFile(f)
		var s struct{ Commands []specCommand }
		if err := json.Unmarshal(b, &s); err != nil {
			t.Log(f, err)
			continue
		}
		n, good := runSpec(t, f, s.Commands)
		tot += n
		ok += good
	}
	t.Log(tot, ok)
}

func runSpec(t *testing.T, file string, cmds []specCommand) (n, ok int) {
	ctx := context.Background()
	r := newRuntime(t, ample(), 65536)
	var cur api.Module
	for _, c := range cmds {
		switch c.Type {
		case "module":
			cur = nil
			b, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				continue
			}
			m, err := Parse(b)
			if err != nil {
				t.Logf("%s:%d parse %v", file, c.Line, err)
				continue
			}
			res, err := m.Instrument(Options{MaxPages: 65536, MaxTable: 1 << 22})
			if err != nil {
				if !strings.Contains(err.Error(), "imported") {
					t.Logf("%s:%d instrument %v", file, c.Line, err)
				}
				continue
			}
			if len(m.Imports()) > 0 {
				continue
			}
			cur, err = r.InstantiateWithConfig(ctx, res.Code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
			if err != nil {
				t.Errorf("%s:%d %v", file, c.Line, err)
			}
		case "assert_return":
			if cur == nil || c.Action.Type != "invoke" || c.Action.Module != "" {
				continue
			}
			var args []uint64
			skip := false
			for _, a := range c.Action.Args {
				v, good := a.bits()
				skip = skip || !good
				args = append(args, v)
			}
			if skip {
				continue
			}
			fn := cur.ExportedFunction(c.Action.Field)
			n++
			out, err := fn.Call(ctx, args...)
			if err != nil {
				t.Errorf("%s:%d %v", file, c.Line, err)
				continue
			}
			good := true
			for i, e := range c.Expected {
				if s := string(e.Value); strings.Contains(s, "nan") || e.Type == "v128" {
					continue
				}
				v, k := e.bits()
				if k && i < len(out) && v != out[i] {
					good = false
					t.Errorf("%s:%d got %v", file, c.Line, out)
				}
			}
			if good {
				ok++
			}
		case "assert_trap", "assert_exhaustion":
			if cur == nil || c.Action.Type != "invoke" || c.Action.Module != "" {
				continue
			}
			var args []uint64
			skip := false
			for _, a := range c.Action.Args {
				v, good := a.bits()
				skip = skip || !good
				args = append(args, v)
			}
			if skip {
				continue
			}
			n++
			if _, err := cur.ExportedFunction(c.Action.Field).Call(ctx, args...); err == nil {
				t.Errorf("%s:%d no trap", file, c.Line)
			} else {
				ok++
			}
		case "assert_invalid", "assert_malformed":
			if c.ModuleType == "text" {
				continue
			}
			b, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				continue
			}
			n++
			m, err := Parse(b)
			if err != nil {
				ok++
				continue
			}
			res, err := m.Instrument(Options{MaxPages: 65536})
			if err != nil {
				ok++
				continue
			}
			if _, err := r.CompileModule(ctx, res.Code); err == nil {
				if _, err2 := r.CompileModule(ctx, b); err2 != nil {
				t.Errorf("%s:%d %s: accepted", file, c.Line, c.Text)
				}
			} else {
				ok++
			}
		}
	}
	return n, ok
}

func (v specValue) bits() (uint64, bool) {
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		return 0, false
	}
	switch v.Type {
	case "i32", "i64", "f32", "f64":
		if strings.HasPrefix(s, "nan") {
			return 0, false
		}
		u, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			fmt.Println(err)
		}
		return u, true
	}
	_ = math.Pi
	return 0, false
}
