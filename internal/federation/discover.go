package federation

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// The extensions that can be carried between several servers and a client: links and ids in them are rewritten.
const (
	uiExtension    = "io.modelcontextprotocol/ui"
	tasksExtension = "io.modelcontextprotocol/tasks"
)

// carried are the capabilities that survive, with the members of each that do. What isn't here (experiments, other extensions)
// would promise what nobody carries. Tasks are apart: each era has its own.
var carried = []struct {
	name    string
	members []string
}{
	{"tools", []string{"listChanged"}},
	{"prompts", []string{"listChanged"}},
	{"resources", []string{"listChanged", "subscribe"}},
	{"completions", nil},
	{"logging", nil},
}

// Lists says whether a list, by the member of the result that holds it, is put together from several servers.
func Lists(list string) bool {
	return list == "tools" || list == "prompts" || list == "resources" || list == "resourceTemplates"
}

// Serves says whether a request that names something is carried to the server that has it, with every name in it and its answer.
func Serves(method string) bool {
	switch method {
	case "tools/call", "prompts/get", "resources/read", "completion/complete", "resources/subscribe", "resources/unsubscribe",
		"tasks/get", "tasks/update", "tasks/cancel", "tasks/result":
		return true
	}
	return false
}

// Carries says whether everything that a client is capable of can be carried.
func Carries(capabilities jsonscan.Value) bool {
	extensions := capabilities.Get("extensions")
	for c := extensions.Cursor(); c.Next(); {
		if !carries(c.Name()) {
			return false
		}
	}
	return true
}

func carries(extension jsonscan.Value) bool {
	return extension.TextIs(uiExtension) || extension.TextIs(tasksExtension)
}

// EditCapabilities takes out of a client's capabilities what can't be carried, so that no server relies on it.
func EditCapabilities(capabilities jsonscan.Value, e *jsonscan.Edits) {
	extensions := capabilities.Get("extensions")
	for c := extensions.Cursor(); c.Next(); {
		if !carries(c.Name()) {
			e.Remove(c.Value())
		}
	}
}

// Discovery puts together what servers say of themselves. The zero Discovery is that of nobody.
type Discovery struct {
	merge    Merge
	versions []string
	has      map[string]bool // "tools", "tools.listChanged"
	asked    bool
}

// Took adds what a server has said, and reports whether it can be used: it must speak a version that the gateway and those before it
// speak too.
func (d *Discovery) Took(v *View, server string, result jsonscan.Value) bool {
	versions := mcp.Versions(mcp.Modern)
	if d.asked {
		versions = d.versions
	}
	versions = slices.DeleteFunc(slices.Clone(versions), func(known string) bool {
		for c := result.Get("supportedVersions").Cursor(); c.Next(); {
			if c.Value().TextIs(known) {
				return false
			}
		}
		return true
	})
	if len(versions) == 0 {
		return false
	}
	d.versions, d.asked = versions, true
	ttl, _ := result.Get("ttlMs").Int64()
	d.merge.holds(ttl)
	d.gather(v, server, result.Get("capabilities"))
	return true
}

func (d *Discovery) gather(v *View, server string, capabilities jsonscan.Value) {
	if d.has == nil {
		d.has = map[string]bool{}
	}
	for _, c := range carried {
		own := capabilities.Get(c.name)
		lists := c.name == "tools" || c.name == "prompts" || c.name == "resources"
		if own.Kind() != jsonscan.Object || lists && !v.Asks(server, c.name) {
			continue
		}
		d.has[c.name] = true
		for _, m := range c.members {
			if yes, _ := own.Get(m).Bool(); yes {
				d.has[c.name+"."+m] = true
			}
		}
	}
	if capabilities.Path("extensions", uiExtension).Kind() == jsonscan.Object {
		d.has[uiExtension] = true
	}
	if v.Asks(server, "tasks") {
		d.gatherTasks(capabilities)
	}
}

// Names in has of what servers of before 2026-07-28 can do with tasks.
const (
	tasksCalled    = "tasks.requests.tools.call"
	tasksListed    = "tasks.list"
	tasksCancelled = "tasks.cancel"
)

func (d *Discovery) gatherTasks(capabilities jsonscan.Value) {
	if capabilities.Path("extensions", tasksExtension).Kind() == jsonscan.Object {
		d.has[tasksExtension] = true
	}
	tasks := capabilities.Get("tasks")
	if tasks.Path("requests", "tools", "call").Kind() != jsonscan.Object {
		return // of nothing that is carried
	}
	d.has[tasksCalled] = true
	d.has[tasksListed] = d.has[tasksListed] || tasks.Get("list").Kind() == jsonscan.Object
	d.has[tasksCancelled] = d.has[tasksCancelled] || tasks.Get("cancel").Kind() == jsonscan.Object
}

// Miss says that a server has said nothing.
func (d *Discovery) Miss(server, reason string) { d.merge.Miss(server, reason) }

// Append appends the answer to the request with this id. version is the gateway's own, which speaks for all.
func (d *Discovery) Append(dst, id []byte, v *View, version string, report bool) []byte {
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"result":{"resultType":"complete","supportedVersions":[`...)
	versions := d.versions
	if !d.asked {
		versions = mcp.Versions(mcp.Modern)
	}
	for i, s := range versions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendQuote(dst, s)
	}
	dst = d.merge.appendHints(d.appendCapabilities(append(dst, `],"capabilities":`...), mcp.Modern))
	if v.o.Instructions != "" {
		dst = jsonscan.AppendQuote(append(dst, `,"instructions":`...), v.o.Instructions)
	}
	dst = v.appendInfo(append(dst, `,"_meta":{"io.modelcontextprotocol/serverInfo":`...), version)
	if report && len(d.merge.missing) > 0 {
		dst = d.merge.appendMissing(append(dst, ','))
	}
	return append(dst, "}}}"...)
}

// AppendInitialized appends the answer to a client of before 2026-07-28 that has asked with initialize: protocol is the version that it
// will speak.
func (d *Discovery) AppendInitialized(dst, id []byte, v *View, protocol, version string, report bool) []byte {
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"result":{"protocolVersion":`...)
	dst = d.appendCapabilities(append(jsonscan.AppendQuote(dst, protocol), `,"capabilities":`...), mcp.Legacy)
	dst = v.appendInfo(append(dst, `,"serverInfo":`...), version)
	if v.o.Instructions != "" {
		dst = jsonscan.AppendQuote(append(dst, `,"instructions":`...), v.o.Instructions)
	}
	if report && len(d.merge.missing) > 0 {
		dst = append(d.merge.appendMissing(append(dst, `,"_meta":{`...)), '}')
	}
	return append(dst, "}}"...)
}

// appendInfo appends what speaks for all servers: the view in the gateway's version.
func (v *View) appendInfo(dst []byte, version string) []byte {
	name := "sallyport"
	if v.o.Name != "" {
		name = v.o.Name
	}
	dst = jsonscan.AppendQuote(append(dst, `{"name":`...), name)
	if v.o.Title != "" {
		dst = jsonscan.AppendQuote(append(dst, `,"title":`...), v.o.Title)
	}
	return append(jsonscan.AppendQuote(append(dst, `,"version":`...), version), '}')
}

// appendCapabilities appends what a client of an era is promised.
func (d *Discovery) appendCapabilities(dst []byte, era mcp.Era) []byte {
	var all []string
	for _, c := range carried {
		if !d.has[c.name] {
			continue
		}
		var own []string
		for _, m := range c.members {
			if d.has[c.name+"."+m] {
				own = append(own, `"`+m+`":true`)
			}
		}
		all = append(all, `"`+c.name+`":{`+strings.Join(own, ",")+`}`)
	}
	if d.has[tasksCalled] && era == mcp.Legacy {
		own := `"requests":{"tools":{"call":{}}}`
		if d.has[tasksCancelled] {
			own = `"cancel":{},` + own
		}
		if d.has[tasksListed] {
			own = `"list":{},` + own
		}
		all = append(all, `"tasks":{`+own+`}`)
	}
	var extensions []string
	if d.has[uiExtension] {
		extensions = append(extensions, `"`+uiExtension+`":{}`)
	}
	if d.has[tasksExtension] && era == mcp.Modern {
		extensions = append(extensions, `"`+tasksExtension+`":{}`)
	}
	if len(extensions) > 0 {
		all = append(all, `"extensions":{`+strings.Join(extensions, ",")+`}`)
	}
	return append(dst, "{"+strings.Join(all, ",")+"}"...)
}
