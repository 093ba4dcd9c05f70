package bridge_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// begunTask gives the id of the task that an answer is about, in either form.
func begunTask(t *testing.T, answer string) string {
	t.Helper()
	var m struct {
		Result struct {
			TaskID string
			Task   struct{ TaskID string }
		}
	}
	err := json.Unmarshal([]byte(answer), &m)
	id := m.Result.TaskID + m.Result.Task.TaskID
	if err != nil || id == "" || strings.Contains(answer, "job-") {
		t.Fatalf("no task in %s", answer)
	}
	return id
}

// A client of before 2026-07-28 has tasks at servers of its own era, among several: it begins, finds, asks for, is asked by, and ends them.
func TestALegacyClientHasTasksAtSeveralServers(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Legacy)
	if got := u.join(); !strings.Contains(got, `"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}`) {
		t.Fatalf("the handshake: %s", got)
	}
	for _, name := range []string{"child", "new"} { // which has none of that kind: the call is a call
		if got := u.call("tools/call", "", `"name":"`+name+`__job","arguments":{},"task":{"ttl":null}`); !strings.Contains(got, `"text":"at once"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	news := u.news()
	id := begunTask(t, u.call("tools/call", "", `"name":"old__job","arguments":{},"task":{"ttl":null}`))
	heard(t, news, `"params":{"taskId":"`+id+`","status":"working"`)
	if got := u.call("tasks/list", "", ""); !strings.Contains(got, `"result":{"tasks":[{"taskId":"`+id+`","status":"working",`) || strings.Contains(got, "job-") {
		t.Errorf("the list: %s", got)
	}
	if got := u.call("tasks/get", "", `"taskId":"`+id+`"`); !strings.Contains(got, `"result":{"taskId":"`+id+`","status":"input_required",`) {
		t.Errorf("the task: %s", got)
	}
	got := u.call("tasks/result", "", `"taskId":"`+id+`"`)
	if !strings.Contains(got, `"uri":"old+a:b"`) || !strings.Contains(got, `"n":1.50`) || !strings.Contains(got, `related-task":{"taskId":"`+id+`"}`) || strings.Contains(got, "job-") {
		t.Errorf("its result: %s", got)
	}
	if !slices.Equal(u.asked, []string{"elicitation/create"}) {
		t.Errorf("the client was asked %q", u.asked)
	}
	if got := u.call("tasks/cancel", "", `"taskId":"`+id+`"`); !strings.Contains(got, `"result":{"taskId":"`+id+`","status":"cancelled",`) {
		t.Errorf("its end: %s", got)
	}
	if got := u.call("tasks/get", "", `"taskId":"job-1"`); !strings.Contains(got, `"code":-32602,"message":"Unknown task: job-1"`) {
		t.Errorf("the server's own id: %s", got)
	}
	other := newUser(t, u.url, mcp.Legacy) // the same principal: the server knows it by its session
	other.join()
	if got := other.call("tasks/list", "", ""); !strings.Contains(got, `"tasks":[]`) {
		t.Errorf("another session's list: %s", got)
	}
	if n := fakes["old"].Count("job"); n != 1 {
		t.Errorf("the call ran %d times", n)
	}
}

// A client of 2026-07-28 has them at servers of that revision.
func TestAModernClientHasTasksAtSeveralServers(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Modern)
	u.can = `{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`
	if got := u.join(); !strings.Contains(got, `"extensions":{"io.modelcontextprotocol/tasks":{}}`) || strings.Contains(got, `"tasks":{"`) {
		t.Fatalf("server/discover: %s", got)
	}
	for _, name := range []string{"child", "old"} {
		if got := u.call("tools/call", name+"__job", `"name":"`+name+`__job","arguments":{},"task":{}`); !strings.Contains(got, `"text":"at once"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	id := begunTask(t, u.call("tools/call", "new__job", `"name":"new__job","arguments":{}`))
	if got := u.call("tasks/get", id, `"taskId":"`+id+`"`); begunTask(t, got) != id || !strings.Contains(got, `"inputRequests":{"who":`) {
		t.Errorf("the task: %s", got)
	}
	if got := u.call("tasks/update", id, `"taskId":"`+id+`","inputResponses":{"who":{"action":"accept","content":{"n":1.50}}}`); !strings.Contains(got, `"result":{"resultType":"complete"}`) {
		t.Errorf("its input: %s", got)
	}
	if got := u.call("tasks/get", id, `"taskId":"`+id+`"`); begunTask(t, got) != id || !strings.Contains(got, `"uri":"new+a:b"`) || !strings.Contains(got, `"n":1.50`) {
		t.Errorf("its end: %s", got)
	}
	if got := u.call("tasks/cancel", id, `"taskId":"`+id+`"`); !strings.Contains(got, `"result":{"resultType":"complete"}`) {
		t.Errorf("its cancellation: %s", got)
	}
	u.can = ""
	if got := u.call("tasks/get", id, `"taskId":"`+id+`"`); !strings.Contains(got, `"code":-32021`) {
		t.Errorf("asked by a client that has not declared tasks: %s", got)
	}
	if got := u.call("tools/call", "new__job", `"name":"new__job","arguments":{}`); !strings.Contains(got, `"text":"at once"`) {
		t.Errorf("a call of a client that has not declared tasks: %s", got)
	}
	if n := fakes["new"].Count("job"); n != 2 {
		t.Errorf("the calls ran %d times", n)
	}
	follows(t, u, fakes["new"], id)
}

// follows has the client listen for a task.
func follows(t *testing.T, u *user, f *bridge.Fake, id string) {
	t.Helper()
	news := u.listens(`"taskIds":["` + id + `","job-1"]`)
	heard(t, news, `"notifications":{"taskIds":["`+id+`"]}`)
	for end := time.Now().Add(bridge.Bound); f.Listeners() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody listens")
		}
	}
	f.Change("task:job-1")
	heard(t, news, `"params":{"taskId":"`+id+`","status":"working"`)
}
