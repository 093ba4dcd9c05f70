package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const taskPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: calls }
match: { methods: [tools/call] }
rules:
  - { name: all, effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: tasks }
match: { servers: [files], methods: [tasks/get, tasks/update, tasks/result, tasks/cancel] }
rules:
  - { name: mine, when: 'params.taskId == "job-1" && mcp.method != "tasks/cancel"', effect: allow }
`

// worker answers as a server of tasks does, of 2026-07-28: each is the one with the id job-1.
func worker(c *upstream.Call) error {
	const task = `"taskId":"job-1","status":"completed","createdAt":"t","lastUpdatedAt":"t","ttlMs":null`
	return answers(map[string]string{
		"tools/call":   `{"resultType":"task",` + task + `}`,
		"tasks/get":    `{"resultType":"complete",` + task + `,"result":{"content":[{"type":"resource_link","uri":"file:///docs/a","name":"a"}]}}`,
		"tasks/update": `{"resultType":"complete"}`,
		"tasks/cancel": `{"resultType":"complete"}`,
	})(c)
}

// taskID is the id of the task that an answer is about.
func taskID(t *testing.T, r reply) string {
	t.Helper()
	var m struct{ Result struct{ TaskID string } }
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || m.Result.TaskID == "" || strings.Contains(r.body, "job-") {
		t.Fatalf("no task in %d %s", r.status, r.body)
	}
	return m.Result.TaskID
}

func begin(headers ...string) string {
	return modernAt("/mcp", "tools/call", "files__read_file", readParams, headers...)
}

func aboutTask(path, method, id string, headers ...string) string {
	return modernAt(path, method, id, `"taskId":"`+id+`"`, headers...)
}

// A task is asked for by an id of the client's own, and decided, recorded and sent as at the one server.
func TestTaskIsTheServersOwn(t *testing.T) {
	mail := &script{answer: worker}
	w := newWorld(t, taskPolicy, twoServers(t, mail), known(t, "alice", "bob"))
	w.server.answer = func(c *upstream.Call) error {
		for _, h := range c.Header {
			if h.Name == "Mcp-Name" && c.Method == "tasks/get" && h.Value != "job-1" {
				t.Errorf("the server got Mcp-Name: %s", h.Value)
			}
		}
		return worker(c)
	}
	id := taskID(t, w.raw(begin(aliceKey)))
	r := w.raw(aboutTask("/mcp", "tasks/get", id, aliceKey))
	want := `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","taskId":"` + id + `","status":"completed","createdAt":"t","lastUpdatedAt":"t","ttlMs":null,` +
		`"result":{"content":[{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}]}}}`
	if r.status != 200 || r.body != want {
		t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
	}
	w.raw(aboutTask("/mcp/files", "tasks/get", "job-1", aliceKey))
	denied := [2]reply{w.raw(aboutTask("/mcp", "tasks/cancel", id, aliceKey)), w.raw(aboutTask("/mcp/files", "tasks/cancel", "job-1", aliceKey))}
	for _, r := range denied {
		if r.status != 200 || !strings.Contains(r.body, `"code":40301`) {
			t.Errorf("a task that may not be cancelled: %d %s", r.status, r.body)
		}
	}
	sent := w.server.received()
	if len(sent) != 3 || sent[1] != sent[2] || len(mail.received()) != 0 {
		t.Errorf("files got %q, mail %q", sent, mail.received())
	}
	records := w.recorded(8)
	for i := 2; i < 6; i += 2 {
		if d := records[i]; d.Kind != audit.Decision || d.Server != "files" || d.Method != "tasks/get" || d.Rule != "mine" || records[i+1].Status != 200 {
			t.Errorf("records %d: %+v %+v", i, d, records[i+1])
		}
	}
	for _, d := range records[6:] {
		if d.Kind != audit.Refusal || d.Server != "files" || d.Method != "tasks/cancel" || d.Reason != "no_rule_matched" {
			t.Errorf("record %+v", d)
		}
	}
}

// A task's id is its caller's, for the servers that it has come from. In other hands, or altered, it is that of nobody.
func TestTasksOfOthersAreUnknown(t *testing.T) {
	w := newWorld(t, strings.Replace(taskPolicy, " && mcp.method != \"tasks/cancel\"", "", 1), twoServers(t, &script{answer: worker}), known(t, "alice", "bob"))
	w.server.answer = worker
	id := taskID(t, w.raw(begin(aliceKey)))
	if other := taskID(t, w.raw(begin(bobKey))); other == id {
		t.Error("two callers have one id")
	}
	if again := taskID(t, w.raw(begin(aliceKey))); again != id {
		t.Errorf("one task has two ids, %s and %s", id, again)
	}
	before := len(w.server.received())
	for what, c := range map[string]struct{ path, id, key string }{
		"another's":        {"/mcp", id, bobKey},
		"at other servers": {"/mcp/support", id, aliceKey},
		"altered":          {"/mcp", id[:len(id)-2] + "AA", aliceKey},
		"the server's own": {"/mcp", "job-1", aliceKey},
	} {
		for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
			if r := w.raw(aboutTask(c.path, method, c.id, c.key)); r.status != 400 || !strings.Contains(r.body, `"code":-32602,"message":"Unknown task: `+c.id+`"`) {
				t.Errorf("%s, %s: %d %s", what, method, r.status, r.body)
			}
		}
	}
	if got := len(w.server.received()); got != before {
		t.Errorf("%d requests have reached the server", got-before)
	}
}

// What begins a task names it, and nobody is asked that the client can't reach.
func TestTasksOfServersThatHaveGone(t *testing.T) {
	var snap *Snapshot
	w := newWorld(t, taskPolicy, twoServers(t, &script{answer: worker}), known(t, "alice", "bob"), func(_ *Options, s *Snapshot) { snap = s })
	w.server.answer = worker
	id := taskID(t, w.raw(begin(aliceKey)))
	w.server.answer = func(*upstream.Call) error {
		return &upstream.Error{Code: upstream.Unavailable, Server: "files", Err: http.ErrServerClosed}
	}
	if r := w.raw(aboutTask("/mcp", "tasks/get", id, aliceKey)); r.status != 502 {
		t.Errorf("of a server that is down: %d %s", r.status, r.body)
	}
	next := snapCopy(snap)
	next.Servers = map[string]upstream.Server{"mail": snap.Servers["mail"]}
	next.Views = map[string]*federation.View{"": view(t, federation.Options{Servers: map[string]federation.Selection{"mail": {All: true}}})}
	w.Swap(next)
	if r := w.raw(aboutTask("/mcp", "tasks/get", id, aliceKey)); r.status != 400 || !strings.Contains(r.body, `"code":-32602,"message":"Unknown task: `+id+`"`) {
		t.Errorf("of a server that is there no more: %d %s", r.status, r.body)
	}
	last := w.recorded(5)[4]
	if last.Kind != audit.Refusal || last.Reason != "unknown_name" || last.Server != "" {
		t.Errorf("record %+v", last)
	}
}

// A task is asked for at the version of its server that has it, wherever its caller would come to now.
func TestTasksStayWithTheirVersion(t *testing.T) {
	next := &script{answer: worker}
	w := newWorld(t, taskPolicy, twoServers(t, &script{answer: worker}, versioned(next)), known(t, "alice", "bob"))
	w.server.answer = worker
	id := taskID(t, w.raw(begin(aliceKey, "X-Next: 1")))
	if other := taskID(t, w.raw(begin(aliceKey))); other == id {
		t.Error("tasks of two versions have one id")
	}
	if got := taskID(t, w.raw(aboutTask("/mcp", "tasks/get", id, aliceKey))); got != id {
		t.Errorf("the client asked for %s, and got %s", id, got)
	}
	if got := next.received(); len(got) != 2 || !strings.Contains(got[1], `"tasks/get"`) {
		t.Errorf("next got %q", got)
	}
}

// A message that is a part of a task goes to the version of the server that has it, and names it as it is called there.
func TestPartsOfTasksGoToTheirVersion(t *testing.T) {
	next := &script{answer: worker}
	w := newWorld(t, taskPolicy, twoServers(t, &script{answer: worker}, versioned(next)), known(t, "alice", "bob"))
	w.server.answer = worker
	tasks := map[string]string{"stable": taskID(t, w.raw(begin(aliceKey))), "next": taskID(t, w.raw(begin(aliceKey, "X-Next: 1")))}
	for _, c := range []struct{ key, header, task, want, id string }{
		{aliceKey, "X-Other: 1", "next", "next", "job-1"},
		{aliceKey, "X-Next: 1", "stable", "stable", "job-1"},
		{aliceKey, "X-Next: 1", "next", "next", "job-1"},
		{bobKey, "X-Other: 1", "next", "stable", tasks["next"]}, // of nobody: it goes where its caller comes to, as it is
		{bobKey, "X-Next: 1", "next", "next", tasks["next"]},
	} {
		servers := map[string]*script{"stable": w.server, "next": next}
		before := map[string]int{"stable": len(w.server.received()), "next": len(next.received())}
		body := `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{` + readParams +
			`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/related-task":{"taskId":"` + tasks[c.task] + `"}}}}`
		if r := w.raw(postTo("/mcp", body, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: files__read_file", c.key, c.header)); r.status != 200 {
			t.Errorf("%+v: %d %s", c, r.status, r.body)
		}
		for name, s := range servers {
			got := s.received()[before[name]:]
			if (name == c.want) != (len(got) == 1) || len(got) > 1 {
				t.Errorf("%+v: %s got %q", c, name, got)
			} else if len(got) == 1 && !strings.Contains(got[0], `"io.modelcontextprotocol/related-task":{"taskId":"`+c.id+`"}`) {
				t.Errorf("%+v: %s", c, got[0])
			}
		}
	}
}

// Each version of a server is asked for the tasks that it has, whichever the client comes to for the rest.
func TestTasksOfVersionsAreFollowed(t *testing.T) {
	stable, next := newTeller(t), newTeller(t)
	w := newWorld(t, listenPolicy, twoServers(t, &script{}, func(o *Options, s *Snapshot) {
		s.Servers["files"] = stable.server
		versioned(next.server)(o, s)
	}))
	x := newExchange(w.Gateway)
	who, err := w.current.p.Load().Identity.Resolve(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.who, x.view = who, w.current.p.Load().Views[""]
	ids := map[string]string{}
	for _, version := range []string{"stable", "next", "gone", ""} {
		ids[version] = w.tasks.Seal(x.viewOwner(), federation.Task{Server: "files", Version: version, ID: "job-1"})
	}
	addr, got := w.onTCP(), make(chan reply, 1)
	c := dial(t, addr)
	go func() {
		got <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", `"notifications":{"taskIds":["`+ids["gone"]+`","`+ids[""]+`","`+ids["stable"]+`","`+ids["next"]+`"]}`))
	}()
	wait(t, stable.opened)
	wait(t, next.opened)
	stable.say <- `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"job-1","status":"working"}}`
	next.say <- `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"job-1","status":"completed"}}`
	close(stable.say)
	close(next.say)
	data := dataOf((<-got).body)
	if len(data) < 3 || !strings.Contains(data[0], ids["stable"]) || !strings.Contains(data[0], ids["next"]) || strings.Contains(data[0], ids["gone"]) || strings.Contains(data[0], ids[""]) {
		t.Fatalf("the client heard %q", data)
	}
	for version, status := range map[string]string{"stable": "working", "next": "completed"} {
		if want := `"taskId":"` + ids[version] + `","status":"` + status + `"`; strings.Count(data[1]+data[2], want) != 1 {
			t.Errorf("not once %s in %q", want, data)
		}
	}
	for _, s := range []*teller{stable, next} {
		s.mu.Lock()
		for _, asked := range s.seen { // again, when its stream has ended
			if strings.Count(asked.body, `"job-1"`) != 1 {
				t.Errorf("a version was asked %s", asked.body)
			}
		}
		s.mu.Unlock()
	}
}

// A client listens for its own tasks, and hears of them by the ids that it knows.
func TestTasksAreFollowed(t *testing.T) {
	files, mail := newTeller(t), newTeller(t)
	w := newWorld(t, listenPolicy, tellers(t, files.server, mail.server))
	x := newExchange(w.Gateway)
	who, err := w.current.p.Load().Identity.Resolve(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x.who, x.view = who, w.current.p.Load().Views[""]
	id := w.tasks.Seal(x.viewOwner(), federation.Task{Server: "files", ID: "job-1"})
	addr := w.onTCP()
	got := make(chan reply, 1)
	c := dial(t, addr)
	go func() {
		got <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", `"notifications":{"taskIds":["`+id+`","job-2","AAAA"]}`))
	}()
	wait(t, files.opened)
	files.say <- `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"job-1","status":"working"}}`
	close(files.say)
	data := dataOf((<-got).body)
	if len(data) < 2 || !strings.Contains(data[0], `"taskIds":["`+id+`"]`) || !strings.Contains(data[1], `"taskId":"`+id+`","status":"working"`) {
		t.Errorf("the client heard %q", data)
	}
}

// What is a process of one replica's own has its tasks there: whoever is asked for one passes the request on.
func TestTasksAreServedByTheReplicaThatHasThem(t *testing.T) {
	keys := testKeys(t)
	both := func(_ *Options, s *Snapshot) {
		s.Policy = compile(t, taskPolicy)
		twoServers(t, &script{answer: worker})(nil, s)
	}
	for name, c := range map[string]struct {
		as   func(*script) upstream.Server
		home bool
	}{"a process": {asHeadless, true}, "elsewhere": {itself, false}} {
		t.Run(name, func(t *testing.T) {
			a, b := newReplica(t, keys, c.as, both), newReplica(t, keys, c.as, both)
			a.server.answer, b.server.answer = worker, worker
			id := taskID(t, a.raw(begin(aliceKey)))
			if got := taskID(t, b.raw(aboutTask("/mcp", "tasks/get", id, aliceKey))); got != id {
				t.Errorf("the client asked for %s, and got %s", id, got)
			}
			if atA, atB := len(a.server.received()), len(b.server.received()); (atA == 2) != c.home || (atB == 1) == c.home {
				t.Errorf("a has served %d, b %d", atA, atB)
			}
			if !c.home {
				return
			}
			gone, err := b.tasks.Open(ownerAt(t, b), id)
			if err != nil || gone.Home != a.home {
				t.Fatalf("%+v, %v", gone, err)
			}
			gone.Home = "http://127.0.0.1:1"
			lost := b.tasks.Seal(ownerAt(t, b), gone)
			if r := b.raw(aboutTask("/mcp", "tasks/get", lost, aliceKey)); r.status != 400 || !strings.Contains(r.body, "Unknown task: "+lost) {
				t.Errorf("of a replica that has gone: %d %s", r.status, r.body)
			}
		})
	}
}

// A call that its client goes on with by its state alone goes to the replica where it waits as it came: named as the client knows it.
func TestStatesArePassedOnWithTheNameThatTheClientKnows(t *testing.T) {
	keys := testKeys(t)
	both := func(_ *Options, s *Snapshot) {
		s.Policy = compile(t, taskPolicy)
		twoServers(t, &script{answer: worker})(nil, s)
	}
	a, b := newReplica(t, keys, itself, both), newReplica(t, keys, itself, both)
	a.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[]}}`)
	who, err := b.current.p.Load().Identity.Resolve([]byte("Bearer alice-key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	state := keys.SealText(carry.Calls, carry.CallOwner("files", sessionOwner(nil, identity.PrincipalKey(who), "files")), carry.AppendHome(nil, a.home))
	got := b.raw(modernAt("/mcp", "tools/call", "files__read_file", readParams+`,"requestState":"`+state+`"`, aliceKey))
	if got.status != 200 || !strings.Contains(got.body, `"content":[]`) {
		t.Errorf("the client got %d %s", got.status, got.body)
	}
	if sent := a.server.received(); len(sent) != 1 || !strings.Contains(sent[0], `"name":"read_file"`) {
		t.Errorf("the replica where it waits has sent %q", sent)
	}
	if sent := b.server.received(); len(sent) != 0 {
		t.Errorf("the other one has sent %q", sent)
	}
}

// childless is a server that is a process of this replica's own.
type childless struct{ *script }

func (childless) Headless() bool { return true }

func asHeadless(s *script) upstream.Server { return childless{s} }

// ownerAt is what alice's tasks at a replica are sealed for.
func ownerAt(t *testing.T, r *replica) []byte {
	t.Helper()
	snap := r.current.p.Load()
	who, err := snap.Identity.Resolve([]byte("Bearer alice-key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{sender: sender{who: who}, target: target{view: snap.Views[""]}}
	return x.viewOwner()
}

// A client of before 2026-07-28 begins, lists and ends tasks in its session; each server's list is asked for and decided by itself, and
// is remembered for nobody.
func TestTasksOfASession(t *testing.T) {
	const task = `"status":"working","createdAt":"t","lastUpdatedAt":"t","ttl":null`
	mail := &script{answer: answers(map[string]string{"server/discover": discovered, "tasks/list": `{"tasks":[{"taskId":"m",` + task + `}],"ttlMs":9999,"cacheScope":"public"}`})}
	w := newWorld(t, strings.Replace(taskPolicy, "[tools/call]", "[tools/call, tasks/list]", 1), twoServers(t, mail))
	w.server.answer = answers(map[string]string{
		"server/discover": discovered, "tools/call": `{"task":{"taskId":"job-1",` + task + `}}`,
		"tasks/list": `{"tasks":[{"taskId":"job-1",` + task + `},{"taskId":"job-2"}],"nextCursor":"more"}`, "tasks/get": `{"taskId":"job-1",` + task + `}`,
		"tasks/result": `{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"job-1"}}}`,
	})
	session := w.joined("/mcp", "{}")
	ask := func(method, params string) string {
		return w.raw(earlier("/mcp", "2025-11-25", method, params, session)).body
	}
	var begun struct {
		Result struct{ Task struct{ TaskID string } }
	}
	if err := json.Unmarshal([]byte(ask("tools/call", readParams+`,"task":{"ttl":1}`)), &begun); err != nil || begun.Result.Task.TaskID == "" {
		t.Fatalf("%+v, %v", begun, err)
	}
	id := begun.Result.Task.TaskID
	for range 2 { // nothing is remembered
		got := ask("tasks/list", "")
		if !strings.Contains(got, `"tasks":[{"taskId":"`+id+`",`+task+`},{"taskId":"`) || strings.Contains(got, "job-") || strings.Contains(got, "ttlMs") || strings.Contains(got, "resultType") {
			t.Errorf("the list is %s", got)
		}
		var list struct{ Result struct{ NextCursor string } }
		if err := json.Unmarshal([]byte(got), &list); err != nil {
			t.Fatal(err)
		}
		if next := ask("tasks/list", `"cursor":"`+list.Result.NextCursor+`"`); !strings.Contains(next, id) {
			t.Errorf("the next page is %s", next)
		}
	}
	if got := ask("tasks/get", `"taskId":"`+id+`"`); !strings.Contains(got, `"result":{"taskId":"`+id+`",`) {
		t.Errorf("the task is %s", got)
	}
	if got := ask("tasks/result", `"taskId":"`+id+`","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"`+id+`"}}`); !strings.Contains(got, `related-task":{"taskId":"`+id+`"}`) {
		t.Errorf("its result is %s", got)
	}
	sent := w.server.received()
	want := `{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"job-1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"job-1"}}}}`
	if got := sent[len(sent)-1]; got != want {
		t.Errorf("files got %s\nwant %s", got, want)
	}
	if got := fmt.Sprint(strings.Count(strings.Join(sent, "\n"), `"tasks/list"`), strings.Count(strings.Join(mail.received(), "\n"), `"tasks/list"`)); got != "4 2" {
		t.Errorf("files and mail were asked %s times", got)
	}
}
