package audit

import "time"

// Records of one writer resemble each other. What a Record remembers of the last one is found again rather than made again.

// stamp is a second as it stands in records.
type stamp struct {
	unix int64
	text [len("2006-01-02T15:04:05")]byte
}

// append writes t as time.RFC3339Nano does in UTC.
func (s *stamp) append(dst []byte, t time.Time) []byte {
	if unix := t.Unix(); unix != s.unix || s.text[0] == 0 {
		full := t.UTC().AppendFormat(dst, time.RFC3339Nano)
		if year := t.UTC().Year(); year >= 1000 && year <= 9999 {
			s.unix = unix
			copy(s.text[:], full[len(dst):])
		}
		return full
	}
	dst = append(dst, s.text[:]...)
	if nano := t.Nanosecond(); nano != 0 {
		dst = append(dst, '.')
		for unit := 100_000_000; nano > 0; unit /= 10 {
			dst = append(dst, byte('0'+nano/unit))
			nano %= unit
		}
	}
	return append(dst, 'Z')
}

// memo remembers inputs by their name: they are the fields that rules read, so there are few.
type memo struct{ inputs []known }

// known is an input as it was last written: the name, and a short value.
type known struct {
	name   string
	secret bool
	ok     bool   // the name can be written
	text   []byte // it, with its colon
	source []byte // the value
	value  []byte // as written; nil is none
	masked bool
}

const (
	maxKnown      = 16  // inputs
	maxKnownValue = 256 // bytes of a value
)

// input writes name and value, or reports that they can't be, or don't fit.
func (m *memo) input(w *rewrite, in Input) bool {
	if len(in.JSON) > maxSource || len(in.Name) > MaxText {
		return false
	}
	k := m.find(w, in.Name)
	if !k.ok {
		return false
	}
	w.dst = append(w.dst, k.text...)
	if k.secret {
		w.dst = append(w.dst, `"`+Redacted+`"`...)
		w.masked = true
		return len(w.dst) <= w.end
	}
	if k.value != nil && string(k.source) == string(in.JSON) {
		w.dst = append(w.dst, k.value...)
		w.masked = w.masked || k.masked
		return len(w.dst) <= w.end
	}
	return k.write(w, in.JSON)
}

// write writes a value that is not the last one.
func (k *known) write(w *rewrite, value []byte) bool {
	start, masked := len(w.dst), w.masked
	w.masked = false
	ok := w.run(value)
	if ok && len(value) <= maxKnownValue {
		k.source = append(k.source[:0], value...)
		k.value = append(k.value[:0], w.dst[start:]...)
		k.masked = w.masked
	}
	w.masked = w.masked || masked
	return ok
}

// find gives what is known of an input, by its name at least.
func (m *memo) find(w *rewrite, name string) *known {
	for i := range m.inputs {
		if m.inputs[i].name == name {
			return &m.inputs[i]
		}
	}
	k := known{name: name, secret: w.mask.secretField(name)}
	start := len(w.dst)
	k.ok = w.name(name)
	k.text = append(append(k.text, w.dst[start:]...), ':')
	w.dst = w.dst[:start]
	if len(m.inputs) < maxKnown {
		m.inputs = append(m.inputs, k)
	} else {
		m.inputs[0] = k
	}
	return m.find(w, name)
}
