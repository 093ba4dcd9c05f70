package audit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A record that is used again reads as one that is new.
func TestUsedRecordReadsAsANewOne(t *testing.T) {
	names := []string{"args.path", "args.token", "principal.groups", "jwt", "a\"b", "ghp_0123456789abcdef", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "y1", "y2", "y3"}
	values := []string{
		`"/srv"`, `"ghp_0123456789abcdef"`, `["a-b","c"]`, `["a-b","c"] `, `[ 1 ]`, `{"password":"x","y":1}`, `{"password":2}`, `17`, `null`, `nul`, `{"a`,
		`"` + string(make300()) + `"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		used := new(Record)
		for range rapid.IntRange(1, 6).Draw(t, "records") {
			used.Reset()
			used.Kind = Decision
			used.Time = time.Unix(rapid.Int64Range(0, 3).Draw(t, "second"), rapid.SampledFrom([]int64{0, 1, 999999999, 120000000}).Draw(t, "nano"))
			for range rapid.IntRange(0, 8).Draw(t, "inputs") {
				used.Inputs = append(used.Inputs, Input{rapid.SampledFrom(names).Draw(t, "name"), []byte(rapid.SampledFrom(values).Draw(t, "value"))})
			}
			fresh := Record{Kind: used.Kind, Time: used.Time, Inputs: used.Inputs}
			used.encode(Masker{})
			fresh.encode(Masker{})
			if string(used.line) != string(fresh.line) {
				t.Fatalf("\nused  %s\nfresh %s", used.line, fresh.line)
			}
		}
	})
}

func make300() []byte {
	b := make([]byte, 300)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

func TestStampIsRFC3339Nano(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s stamp
		second := rapid.Int64Range(-62135596800, 300000000000).Draw(t, "second")
		for range 4 {
			at := time.Unix(second+rapid.Int64Range(0, 1).Draw(t, "step"), rapid.Int64Range(0, 999999999).Draw(t, "nano"))
			want := at.UTC().Format(time.RFC3339Nano)
			if got := string(s.append(nil, at)); got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
	})
}

// A value that was masked once says so each time.
func TestMaskedValueIsMarkedEachTime(t *testing.T) {
	r := new(Record)
	for range 2 {
		r.Reset()
		r.Kind, r.Time = Decision, time.Unix(0, 0)
		r.Inputs = append(r.Inputs, Input{"args.path", []byte(`"ghp_0123456789abcdef"`)})
		r.encode(Masker{})
		const want = `"time":"1970-01-01T00:00:00Z","kind":"decision","inputs":{"args.path":"[redacted]"},"not_replayable":"inputs_masked"}` + "\n"
		if string(r.line) != want {
			t.Errorf("%s, want %s", r.line, want)
		}
	}
}
