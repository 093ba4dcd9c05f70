package mcp

// Direction says who sends a method. Some are sent both ways.
type Direction uint8

// The directions, as bits.
const (
	ToServer Direction = 1 << iota
	ToClient
)

// Class says what a method is to policy.
type Class uint8

// The classes. The zero class is the one that needs an allow.
const (
	ClassCall         Class = iota // needs a rule that allows it
	ClassLifecycle                 // allowed unless a rule denies it
	ClassList                      // allowed unless a rule denies it; its items are filtered
	ClassNotification              // allowed unless a rule denies it
)

// Target says what kind of thing a message is about.
type Target uint8

// The targets, with the member of params that names each.
const (
	TargetNone     Target = iota
	TargetTool            // params.name
	TargetPrompt          // params.name
	TargetResource        // params.uri
	TargetTask            // params.taskId
	TargetRef             // params.ref, which names a prompt or a resource; only in the table
)

// Method is what is known of one method.
type Method struct {
	Name         string
	Direction    Direction
	Notification bool
	Since, Until string // first version that has it, first that hasn't; "" = always
	Class        Class
	Target       Target
	List         string // the member of the result that holds the items of a list
	Item         string // the member of an item that names it
	NameHeader   bool   // Mcp-Name is required, from 2026-07-28
	Cacheable    bool   // its result carries ttlMs and cacheScope, from 2026-07-28
	Input        bool   // its result may ask for input (input_required), from 2026-07-28
}

// DefaultAllow reports whether the method is allowed when no rule says anything.
// A nil Method, one that is not in the table, needs an allow.
func (m *Method) DefaultAllow() bool { return m != nil && m.Class != ClassCall }

// In reports whether an era has the method. An unknown method may exist in any.
func (m *Method) In(e Era) bool {
	if m == nil {
		return true
	}
	if e == Modern {
		return m.Until == "" || m.Until > FirstModern
	}
	return m.Since < FirstModern
}

const (
	v0618 = "2025-06-18"
	v1125 = "2025-11-25"
	v0728 = FirstModern
)

// methods is the table: the core methods of every revision and the published
// extensions. A method that isn't here is passed on if a rule allows it.
//
// Sampling, elicitation and roots are requests to the client until 2025-11-25;
// since then they travel inside results (input_required) under the same names.
var methods = []Method{
	{Name: "initialize", Direction: ToServer, Until: v0728, Class: ClassLifecycle},
	{Name: "ping", Direction: ToServer | ToClient, Until: v0728, Class: ClassLifecycle},
	{Name: "server/discover", Direction: ToServer, Since: v0728, Class: ClassLifecycle, Cacheable: true},

	{Name: "tools/list", Direction: ToServer, Class: ClassList, List: "tools", Item: "name", Cacheable: true},
	{Name: "tools/call", Direction: ToServer, Target: TargetTool, NameHeader: true, Input: true},
	{Name: "prompts/list", Direction: ToServer, Class: ClassList, List: "prompts", Item: "name", Cacheable: true},
	{Name: "prompts/get", Direction: ToServer, Target: TargetPrompt, NameHeader: true, Input: true},
	{Name: "resources/list", Direction: ToServer, Class: ClassList, List: "resources", Item: "uri", Cacheable: true},
	{Name: "resources/templates/list", Direction: ToServer, Class: ClassList, List: "resourceTemplates", Item: "uriTemplate", Cacheable: true},
	{Name: "resources/read", Direction: ToServer, Target: TargetResource, NameHeader: true, Cacheable: true, Input: true},
	{Name: "resources/subscribe", Direction: ToServer, Until: v0728, Target: TargetResource},
	{Name: "resources/unsubscribe", Direction: ToServer, Until: v0728, Target: TargetResource},
	{Name: "completion/complete", Direction: ToServer, Target: TargetRef},
	{Name: "logging/setLevel", Direction: ToServer, Until: v0728},
	{Name: "subscriptions/listen", Direction: ToServer, Since: v0728},

	{Name: "sampling/createMessage", Direction: ToClient, Until: v0728},
	{Name: "elicitation/create", Direction: ToClient, Since: v0618, Until: v0728},
	{Name: "roots/list", Direction: ToClient, Until: v0728},

	{Name: "tasks/get", Direction: ToServer | ToClient, Since: v1125, Target: TargetTask, NameHeader: true},
	{Name: "tasks/update", Direction: ToServer, Since: v0728, Target: TargetTask, NameHeader: true},
	{Name: "tasks/cancel", Direction: ToServer | ToClient, Since: v1125, Target: TargetTask, NameHeader: true},
	{Name: "tasks/result", Direction: ToServer | ToClient, Since: v1125, Until: v0728, Target: TargetTask},
	{Name: "tasks/list", Direction: ToServer | ToClient, Since: v1125, Until: v0728, Class: ClassList, List: "tasks", Item: "taskId"},

	{Name: "skills/list", Direction: ToServer, Since: v0728, Class: ClassList, List: "skills", Item: "uri"},
	{Name: "skills/get", Direction: ToServer, Since: v0728, Target: TargetResource},
	{Name: "resources/directory/read", Direction: ToServer, Since: v0728, Target: TargetResource, List: "resources", Item: "uri"},

	{Name: "notifications/initialized", Direction: ToServer, Notification: true, Until: v0728, Class: ClassNotification},
	{Name: "notifications/roots/list_changed", Direction: ToServer, Notification: true, Until: v0728, Class: ClassNotification},
	{Name: "notifications/cancelled", Direction: ToServer | ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/progress", Direction: ToServer | ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/message", Direction: ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/tools/list_changed", Direction: ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/prompts/list_changed", Direction: ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/resources/list_changed", Direction: ToClient, Notification: true, Class: ClassNotification},
	{Name: "notifications/resources/updated", Direction: ToClient, Notification: true, Class: ClassNotification, Target: TargetResource},
	{Name: "notifications/elicitation/complete", Direction: ToClient, Notification: true, Since: v1125, Until: v0728, Class: ClassNotification},
	{Name: "notifications/subscriptions/acknowledged", Direction: ToClient, Notification: true, Since: v0728, Class: ClassNotification},
	{Name: "notifications/tasks/status", Direction: ToServer | ToClient, Notification: true, Since: v1125, Until: v0728, Class: ClassNotification},
	{Name: "notifications/tasks", Direction: ToClient, Notification: true, Since: v0728, Class: ClassNotification},
}

var byName = index()

func index() map[string]*Method {
	t := make(map[string]*Method, len(methods))
	for i := range methods {
		t[methods[i].Name] = &methods[i]
	}
	return t
}

// LookupMethod gives what is known of a method, nil when nothing is. The result
// is shared and must not be changed.
func LookupMethod(name string) *Method { return byName[name] }

// Methods lists the names of the known methods, for diagnostics.
func Methods() []string {
	out := make([]string, len(methods))
	for i := range methods {
		out[i] = methods[i].Name
	}
	return out
}
