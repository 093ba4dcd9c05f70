package audit

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// LogOptions shapes the operational log: what the gateway says to its operator, beside the records.
type LogOptions struct {
	Level slog.Leveler // nil = info
	Text  bool         // for a person at a terminal, and not JSON
	Color bool         // with Text
	Mask  Masker
}

// NewLogger returns a logger that writes one line for each event to w, without secrets and without characters that a
// terminal or a page would act on. It is safe for concurrent use.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Text {
		w = zerolog.ConsoleWriter{
			Out: w, NoColor: !o.Color, TimeFormat: time.TimeOnly,
			PartsOrder: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.MessageFieldName},
		}
	}
	return slog.New(&handler{out: zerolog.New(o.Mask.Writer(w)), level: o.Level})
}

// handler gives slog's events to zerolog.
type handler struct {
	out    zerolog.Logger
	level  slog.Leveler
	attrs  []slog.Attr // with their groups in their names
	prefix string
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	e := h.out.WithLevel(levelOf(r.Level)).Time(zerolog.TimestampFieldName, r.Time.UTC())
	for _, a := range h.attrs {
		add(e, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(e, h.prefix, a)
		return true
	})
	e.Msg(r.Message)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix = h.prefix + name + "."
	return &next
}

func levelOf(l slog.Level) zerolog.Level {
	switch {
	case l >= slog.LevelError:
		return zerolog.ErrorLevel
	case l >= slog.LevelWarn:
		return zerolog.WarnLevel
	case l >= slog.LevelInfo:
		return zerolog.InfoLevel
	}
	return zerolog.DebugLevel
}

func add(e *zerolog.Event, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	key := prefix + a.Key
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			prefix = key + "."
		}
		for _, inner := range v.Group() {
			add(e, prefix, inner)
		}
	case slog.KindString:
		e.Str(key, v.String())
	case slog.KindInt64:
		e.Int64(key, v.Int64())
	case slog.KindUint64:
		e.Uint64(key, v.Uint64())
	case slog.KindFloat64:
		e.Float64(key, v.Float64())
	case slog.KindBool:
		e.Bool(key, v.Bool())
	case slog.KindTime:
		e.Time(key, v.Time().UTC())
	default:
		e.Str(key, v.String())
	}
}

// maxLogLine bounds a line of the operational log.
const maxLogLine = 64 << 10

// Writer returns a writer that takes JSON lines, one in each Write, and passes them on to w without their secrets. What is
// no JSON is passed on as a line of JSON with the text as its message.
func (m Masker) Writer(w io.Writer) io.Writer { return &maskWriter{mask: m, out: w} }

type maskWriter struct {
	mask    Masker
	out     io.Writer
	mu      sync.Mutex
	line    []byte
	scratch []byte
}

// Write implements io.Writer.
func (w *maskWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := rewrite{mask: w.mask, dst: w.line[:0], scratch: w.scratch, end: maxLogLine}
	if !j.run(p) {
		j.dst = append(j.dst[:0], `{"level":"warn","message":`...)
		j.dst, _ = w.mask.appendString(j.dst, strings.TrimSpace(string(p)), MaxLong)
		j.dst = append(j.dst, '}')
	}
	w.line, w.scratch = append(j.dst, '\n'), j.scratch
	if _, err := w.out.Write(w.line); err != nil {
		return 0, err
	}
	return len(p), nil
}
