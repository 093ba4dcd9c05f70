package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Duration is a time.Duration that a file spells as `10s`, `1m30s` or `1h`.
type Duration time.Duration

// DecodeNode reads d from a scalar.
func (d *Duration) DecodeNode(n *source.Node) source.Diagnostics {
	const help = "write a number and its unit, such as `500ms`, `10s`, `1m30s` or `1h`"
	v, err := time.ParseDuration(n.Text().Value)
	switch {
	case err != nil || n.Kind() != source.String:
		return one(n, "SP1104", fmt.Sprintf("`%s` is not a duration", shown(n)), help)
	case v < time.Millisecond || v > 365*24*time.Hour:
		return one(n, "SP1104", fmt.Sprintf("`%s` is out of range", shown(n)), "it must be between `1ms` and `8760h`; nothing waits forever")
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes that a file spells as `64KiB`, `4MiB`, `1GiB` or a number.
type Size int64

var sizeForm = regexp.MustCompile(`^([0-9]{1,12})(B|KiB|MiB|GiB)?$`)

// MaxLimit is the largest Size that a file may give.
const MaxLimit Size = 1 << 30

// DecodeNode reads s from a scalar.
func (s *Size) DecodeNode(n *source.Node) source.Diagnostics {
	const help = "write a number and its unit, such as `64KiB` or `4MiB`"
	parts := sizeForm.FindStringSubmatch(n.Text().Value)
	if parts == nil || n.Kind() != source.String && n.Kind() != source.Number {
		return one(n, "SP1105", fmt.Sprintf("`%s` is not a size", shown(n)), help)
	}
	unit := map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "B": 1, "": 1}[parts[2]]
	count, err := strconv.ParseInt(parts[1], 10, 64)
	size := float64(count) * unit
	if err != nil || size < 1024 || size > float64(MaxLimit) {
		return one(n, "SP1105", fmt.Sprintf("`%s` is out of range", shown(n)), "it must be between `1KiB` and `1GiB`")
	}
	*s = Size(math.Round(size))
	return nil
}

// Memory is a Size of at least LeastMemory, or none, which a file spells as `off`.
type Memory Size

// LeastMemory is the smallest Memory that is worth having.
const LeastMemory Memory = 1 << 20

// DecodeNode reads m from a scalar.
func (m *Memory) DecodeNode(n *source.Node) source.Diagnostics {
	if text := n.Text().Value; text == off || text == "0" {
		*m = 0
		return nil
	}
	var s Size
	if ds := s.DecodeNode(n); len(ds) > 0 {
		return ds
	}
	if Memory(s) < LeastMemory {
		return one(n, "SP1105", fmt.Sprintf("`%s` is out of range", shown(n)), "it must be `off`, or between `1MiB` and `1GiB`")
	}
	*m = Memory(s)
	return nil
}

// String spells m as a file does.
func (m Memory) String() string {
	if m == 0 {
		return off
	}
	return Size(m).String()
}

const off = "off"

// Hash is a SHA-256 that a file spells as `sha256:` and 64 hex digits.
type Hash [sha256.Size]byte

// DecodeNode reads h from a scalar.
func (h *Hash) DecodeNode(n *source.Node) source.Diagnostics {
	digits, ok := strings.CutPrefix(n.Text().Value, "sha256:")
	sum, err := hex.DecodeString(digits)
	if !ok || err != nil || len(sum) != len(h) || n.Kind() != source.String {
		return one(n, "SP1108", "this is not the hash of an API key",
			"write `sha256:` and 64 hex digits, such as printf %s \"$KEY\" | sha256sum prints; the key itself must not be here")
	}
	copy(h[:], sum)
	for _, word := range append([]string{""}, placeholders...) {
		if sha256.Sum256([]byte(word)) == *h {
			return one(n, "SP1109", fmt.Sprintf("this is the hash of `%s`", word), "make a key that nobody can guess: openssl rand -hex 32")
		}
	}
	return nil
}

// Key is a secret of 32 bytes that a file spells in base64 or hex. nil is none.
type Key []byte

// DecodeNode reads k from a scalar.
func (k *Key) DecodeNode(n *source.Node) source.Diagnostics {
	const help = "make one with: openssl rand -hex 32; keep it out of the file with ${NAME} or keyFile"
	key, err := ParseKey(n.Text().Value)
	switch {
	case errors.Is(err, ErrWeakKey):
		return one(n, "SP1109", err.Error(), help)
	case err != nil || n.Kind() != source.String:
		return one(n, "SP1117", ErrNoKey.Error(), help)
	}
	*k = key
	return nil
}

// Errors of ParseKey.
var (
	ErrNoKey   = errors.New("this is not a key of 32 bytes in base64 or hex")
	ErrWeakKey = errors.New("this key is the same byte over and over")
)

// ParseKey reads a key as files spell it.
func ParseKey(text string) (Key, error) {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		key, err := decode(text)
		if err != nil || len(key) != 32 {
			continue
		}
		if len(slices.Compact(slices.Clone(key))) == 1 {
			return nil, ErrWeakKey
		}
		return key, nil
	}
	return nil, ErrNoKey
}

// one is a single mistake about the whole of n.
func one(n *source.Node, code, message, help string) source.Diagnostics {
	return source.Diagnostics{n.Pos().Diagnose(code, message, help)}
}

// shown is a scalar as messages repeat it.
func shown(n *source.Node) string { return source.Brief(n.Text().Value) }

// placeholders are what documentation and templates write where a secret belongs.
var placeholders = []string{
	"changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me", "placeholder", "secret", "password", "token", "todo", "example", "test", "none", "null",
}

var placeholderForm = regexp.MustCompile(`^(x{3,}|\*{3,}|\.{3,}|<.*>|\[.*\]|(my|your|insert)[-_ ]?.*(key|token|secret|password|pat)([-_ ]?here)?|.*[-_ ]goes[-_ ]here|sk-x+|ghp_x+)$`)

// placeholder says whether a secret is one in name only.
func placeholder(secret string) bool {
	s := strings.ToLower(strings.TrimSpace(secret))
	for _, scheme := range []string{"bearer ", "basic ", "token "} {
		s = strings.TrimPrefix(s, scheme)
	}
	return slices.Contains(placeholders, s) || placeholderForm.MatchString(s)
}

var secretName = regexp.MustCompile(`(?i)(authorization|cookie|token|secret|passw|api[-_]?key|access[-_]?key|credential|(^|[-_])(key|pat|auth)$)`)

// String spells d as a file does.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if cut, ok := strings.CutSuffix(s, "m0s"); ok {
		s = cut + "m"
	}
	if cut, ok := strings.CutSuffix(s, "h0m"); ok {
		s = cut + "h"
	}
	return s
}

// String spells s as a file does.
func (s Size) String() string {
	for _, unit := range []struct {
		name  string
		bytes Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= unit.bytes && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
