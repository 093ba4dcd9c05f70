// Package condition compiles and evaluates CEL: it says which fields an expression reads, and
// what it yields on a message whose JSON is read lazily.
package condition

import (
	"net/netip"
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

	Principal *Principal
	Source    netip.Addr
	Header    func(name string) string // by lower-case name; "" is absent; nil has none
	Time      time.Time
}

// subjects says what the message is about: a tool, a resource, a prompt. A method that is
// about one has it even with an empty name, so that leaving out a name never makes a message
// look like one that the rules on tools have nothing to say of.
func (in *Input) subjects() Subjects {
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
	return s
}

// Subjects is a set of the things that a message can be about.
type Subjects uint8

// The subjects.
const (
	Tool Subjects = 1 << iota
	Resource
	Prompt
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
}{{Tool, "tool"}, {Resource, "resource"}, {Prompt, "prompt"}}

// methods are the methods of the protocol, all revisions, that requests and notifications
// carry, with what each is always about. completion/complete is about a prompt or a resource.
var methods = map[string]Subjects{
	"initialize": 0, "ping": 0, "server/discover": 0,
	"tools/list": 0, "tools/call": Tool,
	"prompts/list": 0, "prompts/get": Prompt,
	"resources/list": 0, "resources/templates/list": 0, "resources/read": Resource,
	"resources/subscribe": Resource, "resources/unsubscribe": Resource,
	"subscriptions/listen": 0, "completion/complete": 0, "logging/setLevel": 0,
	"sampling/createMessage": 0, "elicitation/create": 0, "roots/list": 0,
	"tasks/get": 0, "tasks/result": 0, "tasks/list": 0, "tasks/cancel": 0, "tasks/update": 0,
	"notifications/initialized": 0, "notifications/cancelled": 0, "notifications/progress": 0,
	"notifications/message": 0, "notifications/roots/list_changed": 0,
	"notifications/tools/list_changed": 0, "notifications/prompts/list_changed": 0,
	"notifications/resources/list_changed": 0, "notifications/resources/updated": 0,
	"notifications/elicitation/complete": 0, "notifications/tasks/status": 0,
	"notifications/subscriptions/acknowledged": 0,
}

// SubjectsOf returns what a message of a method is always about.
func SubjectsOf(method string) Subjects {
	switch method { // the map would cost more than the rest of a small decision
	case "tools/call":
		return Tool
	case "prompts/get":
		return Prompt
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		return Resource
	}
	return 0
}

// KnownMethods lists the methods of the protocol.
func KnownMethods() []string {
	out := make([]string, 0, len(methods))
	for m := range methods {
		out = append(out, m)
	}
	return out
}

// MaySubjects returns what a message of a method can be about; all of them if the method is
// not one of the protocol.
func MaySubjects(method string) Subjects {
	switch method {
	case "completion/complete":
		return Resource | Prompt
	case "notifications/resources/updated", "subscriptions/listen":
		return Resource
	}
	if s, ok := methods[method]; ok {
		return s
	}
	return Tool | Resource | Prompt
}
