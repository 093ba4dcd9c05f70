package jsonscan

import "strconv"

// ErrorCode says why a text was refused. The list is closed: it names metrics and
// decision records.
type ErrorCode uint8

// The reasons for refusing a text.
const (
	// CodeSyntax: not JSON by RFC 8259, a byte order mark and UTF-16 included.
	CodeSyntax ErrorCode = iota + 1
	// CodeDuplicateName: two members of an object have the same name.
	CodeDuplicateName
	// CodeFoldedName: two names of an object differ only by case (Options.Fold).
	CodeFoldedName
	// CodeInvalidUTF8: a string is not UTF-8.
	CodeInvalidUTF8
	// CodeLoneSurrogate: an escape is half of a UTF-16 pair.
	CodeLoneSurrogate
	// CodeDepth: nested deeper than Options.Depth.
	CodeDepth
	// CodeSize: more values than Options.Values, or 4 GiB of text.
	CodeSize
	// CodeNumber: a number that overflows float64 or is longer than Options.Number.
	CodeNumber
	// CodeNULName: a member's name contains U+0000, at which C strings end.
	CodeNULName
	// CodeTrailingData: something follows the value.
	CodeTrailingData
)

var codes = [...]struct{ name, text string }{
	CodeSyntax:        {"syntax", "invalid syntax"},
	CodeDuplicateName: {"duplicate_name", "duplicate member name"},
	CodeFoldedName:    {"folded_name", "member name that differs from another only by case"},
	CodeInvalidUTF8:   {"invalid_utf8", "invalid UTF-8"},
	CodeLoneSurrogate: {"lone_surrogate", "lone surrogate"},
	CodeDepth:         {"depth", "nesting too deep"},
	CodeSize:          {"size", "too many values"},
	CodeNumber:        {"number", "number out of range"},
	CodeNULName:       {"nul_name", "NUL in a member name"},
	CodeTrailingData:  {"trailing_data", "data after the value"},
}

// String returns the code's stable name, as metrics and records carry it.
func (c ErrorCode) String() string {
	if c == 0 || int(c) >= len(codes) {
		return "unknown"
	}
	return codes[c].name
}

// Error is the refusal of a text.
type Error struct {
	Code ErrorCode
	// Offset is the byte at which the offending token, name, escape or byte begins;
	// the length of the text when it ends too early.
	Offset int
}

// Error describes the refusal; it quotes nothing of the text.
func (e *Error) Error() string {
	text := "unknown refusal"
	if e.Code != 0 && int(e.Code) < len(codes) {
		text = codes[e.Code].text
	}
	return "json: " + text + " at offset " + strconv.Itoa(e.Offset)
}
