package federation

import (
	"strings"
	"unicode"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Faults: why an entry of a server's list is left out. The list is closed and stable: it names metrics and records.
const (
	FaultNotAnObject = "not_an_object"
	FaultNoName      = "no_name"
	FaultBadName     = "bad_name"      // with characters that don't print
	FaultLongName    = "name_too_long" // with what stands before it
	FaultTwice       = "name_twice"
	FaultBadType     = "bad_type" // a member of another type than the specification gives it: a client may refuse the whole list for it
	FaultBadHeader   = "bad_header"
)

// Entry is one entry of a server's list that a view could show.
type Entry struct {
	Item  jsonscan.Value // as the server gave it
	JSON  []byte         // as clients get it
	Name  string         // as the server calls it
	Fault string         // why it can't be shown; "" if it can
}

// Listing is a server's answer to a list request, as a view shows it.
type Listing struct {
	Entries []Entry
	Cursor  string
	More    bool  // Cursor leads to more; it may be empty
	TTL     int64 // milliseconds for which the answer holds
	Public  bool  // for every caller
}

// Read reads a server's answer to a list request. ok is false if it is none. The Listing aliases the result.
func (v *View) Read(server string, spec *mcp.Method, result jsonscan.Value) (l Listing, ok bool) {
	list := result.Get(spec.List)
	if list.Kind() != jsonscan.Array {
		return l, false
	}
	next := result.Get("nextCursor")
	l.Cursor, l.More = next.Text(), next.Kind() == jsonscan.String
	if len(l.Cursor) > MaxCursor {
		return Listing{}, false
	}
	l.TTL, _ = result.Get("ttlMs").Int64()
	l.Public = result.Get("cacheScope").TextIs("public")
	r := reader{view: v, server: server, spec: spec, seen: make(map[string]struct{})}
	for c := list.Cursor(); c.Next(); {
		if e, shown := r.entry(c.Value()); shown {
			l.Entries = append(l.Entries, e)
		}
	}
	return l, true
}

// Shown counts the entries without a fault.
func (l *Listing) Shown() (n int) {
	for i := range l.Entries {
		if l.Entries[i].Fault == "" {
			n++
		}
	}
	return n
}

type reader struct {
	view   *View
	server string
	spec   *mcp.Method
	seen   map[string]struct{}
	edits  jsonscan.Edits
}

// target is the kind of thing that a list holds.
func target(list string) mcp.Target {
	switch list {
	case "tools":
		return mcp.TargetTool
	case "prompts":
		return mcp.TargetPrompt
	case "tasks":
		return mcp.TargetTask
	}
	return mcp.TargetResource
}

// entry reads one entry; shown is false if the view doesn't select it.
func (r *reader) entry(item jsonscan.Value) (e Entry, shown bool) {
	e = Entry{Item: item}
	if item.Kind() != jsonscan.Object {
		e.Fault = FaultNotAnObject
		return e, true
	}
	name, t := item.Get(r.spec.Item), target(r.spec.List)
	if e.Name = name.Text(); e.Name == "" {
		e.Fault = FaultNoName
		return e, true
	}
	if _, twice := r.seen[e.Name]; twice {
		e.Fault = FaultTwice
		return e, true
	}
	r.seen[e.Name] = struct{}{}
	_, renamed := r.view.renamed[[2]string{r.server, e.Name}]
	if !r.view.members[r.server].selects(t, e.Name) && (t != mcp.TargetTool || !renamed) {
		return e, false
	}
	if e.Fault = faultOf(r.spec.List, item, e.Name); e.Fault != "" {
		return e, true
	}
	public, ok := r.view.Public(t, r.server, e.Name)
	if !ok {
		e.Fault = FaultLongName
		return e, true
	}
	r.edits.Reset()
	r.edits.Replace(name, jsonscan.AppendQuote(nil, public))
	if d := r.view.description(r.server, e.Name); t == mcp.TargetTool && d != "" {
		r.edits.Set(item, "description", jsonscan.AppendQuote(nil, d))
	}
	editUI(r.server, item, &r.edits)
	e.JSON = item.AppendEdited(nil, &r.edits)
	return e, true
}

// editUI rewrites the links of a definition to the resources that show it.
func editUI(server string, item jsonscan.Value, e *jsonscan.Edits) {
	meta := item.Get("_meta")
	for _, v := range [...]jsonscan.Value{meta.Path("ui", "resourceUri"), meta.Get("ui/resourceUri")} {
		editURI(server, v, e)
	}
}

func editURI(server string, v jsonscan.Value, e *jsonscan.Edits) {
	if v.Kind() == jsonscan.String {
		e.Replace(v, jsonscan.AppendQuote(nil, joinURI(server, v.Text())))
	}
}

// property is what the specification says of a member of an entry.
type property struct {
	name     string
	kind     jsonscan.Kind
	required bool
}

var common = []property{
	{"title", jsonscan.String, false},
	{"description", jsonscan.String, false},
	{"icons", jsonscan.Array, false},
	{"_meta", jsonscan.Object, false},
	{"annotations", jsonscan.Object, false},
}

var properties = map[string][]property{
	"tools":             {{"inputSchema", jsonscan.Object, true}, {"outputSchema", jsonscan.Object, false}, {"execution", jsonscan.Object, false}},
	"prompts":           {{"arguments", jsonscan.Array, false}},
	"resources":         {{"name", jsonscan.String, true}, {"mimeType", jsonscan.String, false}, {"size", jsonscan.Number, false}},
	"resourceTemplates": {{"name", jsonscan.String, true}, {"mimeType", jsonscan.String, false}},
	"tasks": {
		{"status", jsonscan.String, true},
		{"statusMessage", jsonscan.String, false},
		{"createdAt", jsonscan.String, true},
		{"lastUpdatedAt", jsonscan.String, true},
		{"pollInterval", jsonscan.Number, false},
	},
}

func faultOf(list string, item jsonscan.Value, name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return FaultBadName
	}
	for _, all := range [...][]property{common, properties[list]} {
		for _, m := range all {
			v := item.Get(m.name)
			if v.Exists() && v.Kind() != m.kind || m.required && !v.Exists() {
				return FaultBadType
			}
		}
	}
	if list == "tools" && mcp.InvalidHeaderTool(item) {
		return FaultBadHeader
	}
	return ""
}
