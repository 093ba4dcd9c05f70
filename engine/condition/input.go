// Package condition compiles and evaluates CEL: it says which fields an expression reads, and
// what it yields on a message whose JSON is read lazily.
package condition

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Kinds of principal, as principal.type shows them.
const (
	KindAnonymous = "anonymous"
	KindAPIKey    = "api_key"
	KindJWT       = "jwt"
)

// Principal is who makes a call, as identity has verified it. It is not changed while an
// evaluation reads it, so one Principal may serve any number of requests at once.
type Principal struct {
	ID     string // principal.id
	Kind   string // principal.type: KindAnonymous, KindAPIKey or KindJWT
	Issuer string // principal.issuer
	Groups []string
	Roles  []string
	Scopes []string
	// Claims are what was verified with the credential: principal.claims, and jwt or
	// apiKey.claims as Kind says. An object, or absent; its document must not be scanned anew.
	Claims jsonscan.Value
	APIKey string // apiKey.id; only read if Kind is KindAPIKey
}

// Input is what one message offers to conditions. The values alias the bytes of the message
// and are read during evaluation only.
type Input struct {
	Method, Server         string
	Tool, Prompt, Resource string

	Arguments, Params, Annotations, Result jsonscan.Value

	Error jsonscan.Value // the answer, where it is a JSON-RPC error

	Principal *Principal
	Source    netip.Addr
	Header    func(name string) string // by lower-case name; "" is absent; nil has none
	Time      time.Time
}

// About says what the message is about: a tool, a resource, a prompt. A method that is
// about one has it even with an empty name, so that leaving out a name never makes a message
// look like one that the rules on tools have nothing to say of.
func (in *Input) About() Subjects {
	s := SubjectsOf(in.Method)
	if in.Tool != "" {
		s |= Tool
	}
	if in.Resource != "" {
		s |= Resource
	}
	if in.Prompt != "" {
		s |= Prompt
	}
	if in.Error.Exists() {
		return s | Failure
	}
	return s | Success
}

// Subjects is a set of the things that a message can be about.
type Subjects uint8

// The subjects.
const (
	Tool Subjects = 1 << iota
	Resource
	Prompt
	Success // an answer that is no error, and what is no answer yet
	Failure // an answer that is a JSON-RPC error
)

// String names the subjects, "tool and prompt" for instance.
func (s Subjects) String() string {
	out := ""
	for _, x := range subjectNames {
		if s&x.bit == 0 {
			continue
		}
		if out != "" {
			out += " and "
		}
		out += x.name
	}
	return out
}

var subjectNames = []struct {
	bit  Subjects
	name string
}{{Tool, "tool"}, {Resource, "resource"}, {Prompt, "prompt"}, {Success, "result"}, {Failure, "JSON-RPC error"}}

// SubjectsOf returns what a message of a method is always about.
func SubjectsOf(method string) Subjects {
	switch method {
	case "tools/call":
		return Tool
	case "prompts/get":
		return Prompt
	case "resources/read", "resources/directory/read", "resources/subscribe", "resources/unsubscribe":
		return Resource
	}
	return 0
}

// MaySubjects returns what a message of a method of the protocol can be about; all of them if
// the method is not one of the protocol, or not known to be about nothing.
func MaySubjects(method string) Subjects {
	switch method {
	case "completion/complete":
		return Resource | Prompt
	case "notifications/resources/updated", "skills/get":
		return Resource
	}
	if s := SubjectsOf(method); s != 0 {
		return s
	}
	for _, family := range families {
		if strings.HasPrefix(method, family) {
			return 0
		}
	}
	return Tool | Resource | Prompt
}

// families begin the names of the protocol's methods. Those that MaySubjects does not name
// are about nothing.
var families = []string{
	"initialize", "ping", "server/", "tools/", "prompts/", "resources/", "logging/", "subscriptions/",
	"sampling/", "elicitation/", "roots/", "tasks/", "skills/", "notifications/",
}
