package fake

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)

// Keys of notes and labels are of the characters of a code; they may begin with any.
var keyForm = regexp.MustCompile(`^[a-z0-9_.-]+$`)

// people makes a text for people: UTF-8, and not too long.
func people(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= abi.LimitTextBytes {
		return s
	}
	end := abi.LimitTextBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// say counts what a plugin says, whether it is replaced or not.
func (h *Host) say(texts ...string) {
	for _, t := range texts {
		h.said += len(t)
	}
	if h.said > abi.LimitSaidBytes {
		fail(abi.FailureABI, "more than %d bytes were said", abi.LimitSaidBytes)
	}
}

// Reason is the ABI's.
func (h *Host) Reason(code, text string) {
	h.when("reason", false, 0)
	h.say(code, text)
	if !codeForm.MatchString(code) || len(code) > abi.LimitReasonCodeBytes {
		fail(abi.FailureABI, "%q is no code", code)
	}
	if h.Hook != Start {
		h.Said.Code, h.Said.Text = code, people(text)
	}
}

// Approve is the ABI's.
func (h *Host) Approve(text string) {
	h.when("approve", true, 0)
	h.say(text)
	h.Said.Question = people(text)
}

// Note is the ABI's.
func (h *Host) Note(key, text string) {
	h.when("note", false, 0)
	h.say(key, text)
	checkKey(key)
	if h.Hook == Start {
		return
	}
	if h.Said.Notes == nil {
		h.Said.Notes = map[string]string{}
	}
	h.Said.Notes[key] = people(text)
	if len(h.Said.Notes) > abi.LimitNotes {
		fail(abi.FailureABI, "more than %d notes", abi.LimitNotes)
	}
}

// Label is the ABI's.
func (h *Host) Label(name string) {
	h.when("label", true, 0)
	h.say(name)
	checkKey(name)
	if slices.Contains(h.Said.Labels, name) {
		return
	}
	h.Said.Labels = append(h.Said.Labels, name)
	if len(h.Said.Labels) > abi.LimitLabels {
		fail(abi.FailureABI, "more than %d labels", abi.LimitLabels)
	}
}

func checkKey(key string) {
	if !keyForm.MatchString(key) || len(key) > abi.LimitKeyBytes {
		fail(abi.FailureABI, "%q is no key", key)
	}
}

// Log is the ABI's.
func (h *Host) Log(level int32, text string) {
	h.when("log", false, 0)
	if level < abi.LevelDebug || level > abi.LevelError {
		level = abi.LevelError
	}
	if len(h.Said.Log) < abi.LimitLogLines {
		h.Said.Log = append(h.Said.Log, Line{level, people(text)})
	}
}

// Fail is the ABI's. It doesn't return.
func (h *Host) Fail(text string) {
	fail(abi.FailureTrap, "%s", people(text))
}
