package federation

import (
	"bytes"
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Subscription is what one server is asked to tell of: the filter of a subscriptions/listen, as JSON.
type Subscription struct {
	Server  string
	Version string // of the server, that has the tasks that are followed; "": the one that the caller comes to
	Filter  []byte
}

// kinds are the members of a filter that say of which lists one wants to know, with the list that makes a server worth asking.
var kinds = [...]struct{ name, list string }{
	{"toolsListChanged", "tools"},
	{"promptsListChanged", "prompts"},
	{"resourcesListChanged", "resources"},
}

// Members of a filter that name what one wants to know of.
const (
	subscribed = "resourceSubscriptions"
	followed   = "taskIds"
)

// Subscriptions takes a client's filter apart. Resources and tasks of nobody are left out, and so are members that nobody carries; the client
// learns of that from the acknowledgement. task opens the id of a task: a version of a server is asked for its own. ok is false if the filter is none.
func (v *View) Subscriptions(filter jsonscan.Value, task func(id string) (Task, bool)) (out []Subscription, ok bool) {
	if filter.Kind() != jsonscan.Object {
		return nil, false
	}
	uris, ok := whose(filter.Get(subscribed), func(uri string) (origin, string, bool) {
		server, own, ok := v.Resolve(mcp.TargetResource, uri)
		return origin{server, ""}, own, ok
	})
	if !ok {
		return nil, false
	}
	tasks, ok := whose(filter.Get(followed), func(id string) (origin, string, bool) {
		t, ok := task(id)
		return origin{t.Server, t.Version}, t.ID, ok
	})
	if !ok {
		return nil, false
	}
	for _, server := range v.servers {
		a := Acknowledged{uris: uris[origin{server, ""}], tasks: tasks[origin{server, ""}]}
		asks := len(a.uris)+len(a.tasks) > 0
		for i, k := range kinds {
			wanted, _ := filter.Get(k.name).Bool()
			a.kinds[i] = wanted && v.Asks(server, k.list)
			asks = asks || a.kinds[i]
		}
		if asks {
			filter := a.appendFilter(nil)
			if n := len(out); n > 0 && bytes.Equal(out[n-1].Filter, filter) {
				filter = out[n-1].Filter // they are many, and kept for long
			}
			out = append(out, Subscription{Server: server, Filter: filter})
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(tasks), origin.compare) {
		if at.version != "" {
			a := Acknowledged{tasks: tasks[at]}
			out = append(out, Subscription{Server: at.server, Version: at.version, Filter: a.appendFilter(nil)})
		}
	}
	return out, true
}

// origin is where something named is: at a server, or at a version of it.
type origin struct{ server, version string }

func (o origin) compare(p origin) int {
	return cmp.Or(strings.Compare(o.server, p.server), strings.Compare(o.version, p.version))
}

// whose sorts a list of names by where they are, each as it is called there. ok is false if it is no list of names.
func whose(list jsonscan.Value, resolve func(name string) (at origin, own string, ok bool)) (own map[origin][]string, ok bool) {
	if list.Exists() && list.Kind() != jsonscan.Array {
		return nil, false
	}
	own = map[origin][]string{}
	for c := list.Cursor(); c.Next(); {
		if c.Value().Kind() != jsonscan.String {
			return nil, false
		}
		if at, name, ok := resolve(c.Value().Text()); ok {
			own[at] = append(own[at], name)
		}
	}
	return own, true
}

// Acknowledged is what servers have said that they will tell of. The zero value is nothing.
type Acknowledged struct {
	kinds       [len(kinds)]bool
	uris, tasks []string
}

// Took adds what a server has acknowledged: the params of its notification. task gives the id by which the client knows a task.
func (a *Acknowledged) Took(server string, params jsonscan.Value, task func(own string) string) {
	filter := params.Get("notifications")
	for i, k := range kinds {
		yes, _ := filter.Get(k.name).Bool()
		a.kinds[i] = a.kinds[i] || yes
	}
	for c := filter.Get(subscribed).Cursor(); c.Next(); {
		if c.Value().Kind() == jsonscan.String {
			a.uris = append(a.uris, joinURI(server, c.Value().Text()))
		}
	}
	for c := filter.Get(followed).Cursor(); c.Next(); {
		if c.Value().Kind() == jsonscan.String {
			a.tasks = append(a.tasks, task(c.Value().Text()))
		}
	}
}

// Append appends the notification for the client that listens under this id.
func (a *Acknowledged) Append(dst, id []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":`...)
	dst = append(append(dst, id...), `},"notifications":`...)
	return append(a.appendFilter(dst), "}}"...)
}

func (a *Acknowledged) appendFilter(dst []byte) []byte {
	dst = append(dst, '{')
	first := len(dst)
	for i, k := range kinds {
		if !a.kinds[i] {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(jsonscan.AppendQuote(dst, k.name), ":true"...)
	}
	for _, list := range [...]struct {
		name  string
		items []string
	}{{subscribed, a.uris}, {followed, a.tasks}} {
		if len(list.items) == 0 {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(jsonscan.AppendQuote(dst, list.name), ":["...)
		for i, item := range list.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonscan.AppendQuote(dst, item)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// News is what the reader of a stream may have missed, as the server would say it that has acknowledged with these params: that anything it
// tells of may have changed.
func News(params jsonscan.Value) (out [][]byte) {
	var tag []byte // with what follows it
	if meta := params.Get("_meta"); meta.Exists() {
		tag = append(meta.AppendTo([]byte(`"_meta":`)), ',')
	}
	filter := params.Get("notifications")
	for _, k := range kinds {
		if yes, _ := filter.Get(k.name).Bool(); yes {
			b := append([]byte(`{"jsonrpc":"2.0","method":"notifications/`+k.list+`/list_changed","params":{`), bytes.TrimSuffix(tag, []byte(","))...)
			out = append(out, append(b, "}}"...))
		}
	}
	for c := filter.Get(subscribed).Cursor(); c.Next(); {
		if c.Value().Kind() == jsonscan.String {
			b := append([]byte(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{`), tag...)
			b = append(c.Value().AppendTo(append(b, `"uri":`...)), "}}"...)
			out = append(out, b)
		}
	}
	return out
}

// Same says whether two views show the same.
func (v *View) Same(o *View) bool {
	return v == o || v != nil && o != nil && reflect.DeepEqual(v.o, o.o)
}
