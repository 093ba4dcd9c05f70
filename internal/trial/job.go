package trial

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// job is a message and what was decided of it. Everything of the message lies in its own memory: that of the call is somebody else's by
// the time the worker reads it.
type job struct {
	size int
	text []byte // what the spans are of

	phase                             engine.Phase
	defaultAllow, fromServer, inside  bool // inside: the arguments are those of params
	method, server, tool              span
	prompt, resource, itemsField      span
	toolHash                          span
	params, arguments, annotations    span
	result, failure, items, rewritten span
	head                              [4]span
	principal                         *engine.Principal // it doesn't change
	source                            netip.Addr
	time                              time.Time

	id        span
	weight    float64 // how many calls it stands for
	candidate bool
	verdict   verdict
}

// span is a part of a job's text. The zero span is nothing, which is not the same as an empty part.
type span struct{ from, to int }

// verdict is what the comparison needs of a decision.
type verdict struct {
	effect  engine.Effect
	rule    *engine.Rule // of a snapshot, and it doesn't change
	reason  string       // of a rule, a plugin or the engine
	failed  bool
	changed []byte // the rewritten part; nil if nothing was
}

// sizeOf is about what a message takes.
func sizeOf(q *engine.Request) int {
	n := len(q.Tool) + len(q.Prompt) + len(q.Resource)
	for _, v := range []jsonscan.Value{q.Params, q.Annotations, q.Result, q.Error} {
		n += len(v.Raw())
	}
	return n
}

func (j *job) add(b []byte) span {
	from := len(j.text)
	j.text = append(j.text, b...)
	return span{from, len(j.text)}
}

func (j *job) addText(s string) span {
	from := len(j.text)
	j.text = append(j.text, s...)
	return span{from, len(j.text)}
}

func (j *job) addValue(v jsonscan.Value) span {
	if !v.Exists() {
		return span{}
	}
	return j.add(v.Raw())
}

// fill copies.
func (j *job) fill(q *engine.Request, d *engine.Decision, o *Offered, heads bool) {
	j.text = append(j.text[:0], 0) // so that no part is the zero span
	j.phase, j.defaultAllow, j.fromServer = q.Phase, q.DefaultAllow, q.FromServer
	j.method, j.server, j.tool = j.addText(q.Method), j.addText(q.Server), j.addText(q.Tool)
	j.toolHash = j.addText(q.ToolHash)
	j.prompt, j.resource, j.itemsField = j.addText(q.Prompt), j.addText(q.Resource), j.addText(q.ItemsField)
	j.params, j.annotations = j.addValue(q.Params), j.addValue(q.Annotations)
	j.inside = q.Arguments.Exists() && q.Arguments == q.Params.Get("arguments")
	j.arguments = span{}
	if !j.inside {
		j.arguments = j.addValue(q.Arguments)
	}
	j.result, j.failure, j.items = j.addValue(q.Result), j.addValue(q.Error), span{}
	if q.Items.Exists() && q.Items != q.Result.Get(q.ItemsField) {
		j.items = j.addValue(q.Items)
	}
	if heads {
		for i, part := range [4][]byte{o.Method, o.Target, o.Proto, o.Fields} {
			j.head[i] = j.add(part)
		}
	}
	j.principal, j.source, j.time = q.Principal, q.Source, q.Time
	j.id, j.candidate = j.add(o.ID), o.Candidate
	j.rewritten = j.addValue(d.Rewritten)
	j.verdict = verdictOf(d)
	j.verdict.changed = nil
}

// maxKept bounds the memory of a job that waits for the next message.
const maxKept = 4 << 10

func (j *job) reset() {
	text := j.text[:0]
	if cap(text) > maxKept {
		text = nil
	}
	*j = job{text: text}
}

func (j *job) bytes(s span) []byte {
	if s == (span{}) {
		return nil
	}
	return j.text[s.from:s.to]
}

// worker is the memory that messages are read in again, one after the other.
type worker struct {
	params, arguments, annotations, result, failure, items jsonscan.Doc
	head                                                   httphead.Head
	asked                                                  engine.Request
	names                                                  map[string]string // of methods, servers and tools: there are few
}

// maxNames bounds the names that are remembered.
const maxNames = 1024

// name is text as a string, made once.
func (w *worker) name(text []byte) string {
	if s, ok := w.names[string(text)]; ok {
		return s
	}
	if w.names == nil || len(w.names) >= maxNames {
		w.names = map[string]string{}
	}
	s := string(text)
	w.names[s] = s
	return s
}

// request is the message of a job, as its decision was asked for. It holds until the next.
func (w *worker) request(j *job, o *Options, heads bool) (*engine.Request, error) {
	q := &w.asked
	*q = engine.Request{
		Phase: j.phase, DefaultAllow: j.defaultAllow, FromServer: j.fromServer, Method: w.name(j.bytes(j.method)), Server: w.name(j.bytes(j.server)),
		Tool: w.name(j.bytes(j.tool)), Prompt: w.name(j.bytes(j.prompt)), Resource: string(j.bytes(j.resource)), ItemsField: w.name(j.bytes(j.itemsField)),
		ToolHash:  w.name(j.bytes(j.toolHash)),
		Principal: j.principal, Source: j.source, Time: j.time,
	}
	for _, part := range []struct {
		into *jsonscan.Value
		doc  *jsonscan.Doc
		span span
	}{
		{&q.Params, &w.params, j.params},
		{&q.Arguments, &w.arguments, j.arguments},
		{&q.Annotations, &w.annotations, j.annotations},
		{&q.Result, &w.result, j.result},
		{&q.Error, &w.failure, j.failure},
		{&q.Items, &w.items, j.items},
	} {
		if part.span == (span{}) {
			continue
		}
		if err := part.doc.Scan(j.bytes(part.span), o.Scan); err != nil {
			return nil, err
		}
		*part.into = part.doc.Root()
	}
	if j.inside {
		q.Arguments = q.Params.Get("arguments")
	}
	if q.ItemsField != "" && j.items == (span{}) {
		q.Items = q.Result.Get(q.ItemsField)
	}
	if heads {
		if err := w.head.Read(j.bytes(j.head[0]), j.bytes(j.head[1]), j.bytes(j.head[2]), j.bytes(j.head[3]), o.Head); err != nil {
			return nil, err
		}
		q.Header = w.head.Get
	}
	return q, nil
}

// readsHeaders says whether a rule, or a plugin, can learn of a header.
func readsHeaders(s *engine.Snapshot) bool {
	return slices.ContainsFunc(s.Caching(), func(c engine.RuleCaching) bool {
		return c.Why != "" || slices.ContainsFunc(c.Fields, func(field string) bool { return strings.HasPrefix(field, "request") })
	})
}
