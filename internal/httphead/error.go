package httphead

import (
	"strconv"
)

// Rule names what a refused head broke. The list is closed; String is stable
// and goes into decision records.
type Rule uint8

// The rules, in the order in which Read applies them.
const (
	_ Rule = iota
	RuleVersion
	RuleMethodUnknown
	RuleMethod
	RuleTarget
	RuleTargetSize
	RuleSize
	RuleCount
	RuleLineEnding
	RuleFold
	RuleControl
	RuleName
	RuleUnderscore
	RuleValue
	RuleDuplicate
	RuleHost
	RuleContentLength
	RuleBodySize
	RuleTransferEncoding
	RuleFraming
	RuleBody
	RuleTrailer
	RuleUpgrade
	RuleExpect
	RuleContentEncoding
	RuleContentType
	ruleCount
)

type ruleInfo struct {
	name   string
	status int
	text   string
}

var rules = [ruleCount]ruleInfo{
	RuleVersion:          {"http_version", 505, "the HTTP version must be 1.1"},
	RuleMethodUnknown:    {"method_unknown", 501, "the HTTP method is not known"},
	RuleMethod:           {"method_not_allowed", 405, "the HTTP method is not allowed"},
	RuleTarget:           {"target", 400, "the request target must be a path"},
	RuleTargetSize:       {"target_too_long", 414, "the request target is too long"},
	RuleSize:             {"headers_too_large", 431, "the headers are too large"},
	RuleCount:            {"too_many_headers", 431, "there are too many headers"},
	RuleLineEnding:       {"line_ending", 400, "a header line must end in CR LF"},
	RuleFold:             {"folded_header", 400, "a header must not be folded over lines"},
	RuleControl:          {"control_character", 400, "a header must not hold control characters"},
	RuleName:             {"header_name", 400, "a header name must be a token"},
	RuleUnderscore:       {"underscore", 400, "a header name must not hold an underscore"},
	RuleValue:            {"header_value", 400, "a header value is not well-formed"},
	RuleDuplicate:        {"duplicate_header", 400, "a header that may occur once occurs twice"},
	RuleHost:             {"host", 400, "there must be one valid Host header"},
	RuleContentLength:    {"content_length", 400, "Content-Length must be digits"},
	RuleBodySize:         {"body_too_large", 413, "the body is too large"},
	RuleTransferEncoding: {"transfer_encoding", 501, "Transfer-Encoding must be chunked"},
	RuleFraming:          {"ambiguous_framing", 400, "Content-Length and Transfer-Encoding exclude each other"},
	RuleBody:             {"unexpected_body", 400, "this HTTP method takes no body"},
	RuleTrailer:          {"trailer", 400, "trailers are not accepted"},
	RuleUpgrade:          {"upgrade", 400, "the connection can't be upgraded"},
	RuleExpect:           {"expectation", 417, "expectations are not met"},
	RuleContentEncoding:  {"content_encoding", 415, "the body must not be encoded"},
	RuleContentType:      {"content_type", 415, "Content-Type must be application/json"},
}

// String gives the stable code of the rule, "unknown" for one outside the list.
func (r Rule) String() string {
	if r == 0 || r >= ruleCount {
		return "unknown"
	}
	return rules[r].name
}

// Error is the refusal of a head. The connection it came on can't be trusted
// to be in step any more: answer Status and close it.
type Error struct {
	Rule   Rule
	Offset int // in the header block; 0 when the request line or the head as a whole is at fault
}

// Status is the HTTP status that the rule asks for.
func (e *Error) Status() int {
	if e.Rule == 0 || e.Rule >= ruleCount {
		return 400
	}
	return rules[e.Rule].status
}

// Code is the stable code of the broken rule.
func (e *Error) Code() string { return e.Rule.String() }

// Text says what is wrong, for the client: it repeats nothing of the head.
func (e *Error) Text() string {
	if e.Rule == 0 || e.Rule >= ruleCount {
		return "the request head is not accepted"
	}
	return rules[e.Rule].text
}

// Error is Text with the rule's code and the position, for the operator.
func (e *Error) Error() string {
	return "httphead: " + e.Text() + " (" + e.Code() + " at byte " + strconv.Itoa(e.Offset) + ")"
}
