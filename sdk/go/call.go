package sallyport

import (
	"math"
	"time"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/arena"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/host"
)

// Call is one message that the plugin is asked about. It, and every string, [Value] and
// iterator that comes from it, is valid until the hook returns, and for one goroutine.
//
// Fields are named as the manifest's reads name them. A name that is not there is a mistake of
// the plugin's: the call fails, which denies.
type Call struct {
	host   *host.Host
	names  *names
	memory arena.Arena
	hook   int32
}

// Kind returns the kind of a field, Absent if it isn't there.
func (c *Call) Kind(field string) Kind { return Kind(c.host.FieldKind(c.id(field))) }

// Text returns the text of a field. ok is false if it is absent, and also if it is no string:
// an array where a path was expected is not a path. [Call.Kind] tells these two apart.
func (c *Call) Text(field string) (text string, ok bool) {
	id := c.id(field)
	if Kind(c.host.FieldKind(id)) != String {
		return "", false
	}
	return c.field(id)
}

// Number returns the number that is nearest to a field. ok is false if the field is absent or
// no number. The JSON of [Call.Value] has the digits as they were received.
func (c *Call) Number(field string) (number float64, ok bool) {
	number = c.host.FieldNum(c.id(field))
	return number, !math.IsNaN(number)
}

// Bool returns a field that is true or false. ok is false if it is neither.
func (c *Call) Bool(field string) (value, ok bool) {
	k := c.Kind(field)
	return k == True, k == True || k == False
}

// Value returns a field of any kind.
func (c *Call) Value(field string) Value {
	id := c.id(field)
	v := Value{kind: Kind(c.host.FieldKind(id))}
	if v.kind == Absent {
		return v
	}
	v.raw, _ = c.field(id)
	v.text = v.kind == String
	return v
}

func (c *Call) field(id int32) (string, bool) {
	n := c.host.Field(id, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.Field(id, c.memory.Room())
	}
	return c.memory.Take(n)
}

// id returns the id of a field in the hook that runs.
func (c *Call) id(field string) int32 {
	id, ok := find(c.names.reads[c.hook], field)
	if !ok {
		c.Fail("the manifest's reads." + hookNames[c.hook] + " have no " + field)
	}
	return id
}

// Deny says why the message is denied and returns [Deny]. The code is for machines: lower-case
// letters, digits, _, . and -, beginning with a letter. The caller sees both, so the text
// should say what to do instead.
func (c *Call) Deny(code, text string) Verdict {
	c.host.Reason(code, text)
	return Deny
}

// Approve says what a human is asked to agree to, and returns [Approve].
func (c *Call) Approve(question string) Verdict {
	c.host.Approve(question)
	return Approve
}

// Fail ends the call as a failure, with a text for the record: the message is denied. It is for
// a plugin that can't judge. It doesn't return; its result is there to write return before it.
func (c *Call) Fail(text string) Verdict {
	c.host.Fail(text)
	panic(text)
}

// Note puts a text into the decision's record, whatever the verdict. The same key again
// replaces it. Records are read by many: what must stay hidden isn't noted.
func (c *Call) Note(key, text string) { c.host.Note(key, text) }

// Label marks the message.
func (c *Call) Label(name string) { c.host.Label(name) }

// Now returns the time of the decision, which stands still during a call. A plugin whose
// manifest says that it is deterministic may not ask.
func (c *Call) Now() time.Time { return time.UnixMilli(c.host.NowMS()) }

// Level is the level of a log line.
type Level int32

// The levels.
const (
	Debug = Level(abi.LevelDebug) // for the plugin's author
	Info  = Level(abi.LevelInfo)  // for the curious
	Warn  = Level(abi.LevelWarn)  // for the operator, some day
	Error = Level(abi.LevelError) // for the operator, soon
)

// Log writes a line to the operator's log. At boot, where there is no Call, what is printed to
// standard output and standard error goes there.
func (c *Call) Log(level Level, text string) { c.host.Log(int32(level), text) }

// Feature is a part of the ABI that a host may lack, if the manifest has it in
// features.optional.
type Feature int32

// The features.
const (
	FeatureStrings = Feature(abi.FeatureStrings)
	FeaturePatch   = Feature(abi.FeaturePatch)
	FeatureView    = Feature(abi.FeatureView)
	FeatureList    = Feature(abi.FeatureList)
	FeatureMatch   = Feature(abi.FeatureMatch)
	FeatureLookup  = Feature(abi.FeatureLookup)
)

// Has reports whether the host has a feature.
func (c *Call) Has(f Feature) bool { return c.host.Feature(int32(f)) == 1 }
