package federation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// none is no request: whatever it says, a client has not asked.
var none mcp.Message

// public and own stand for sealing and opening for the server s.
func public(own string) string { return "s/" + own }

func own(id string) (string, bool) { return strings.CutPrefix(id, "s/") }

// whoseTask opens an id that is a server, with its version or without, and the id there: a/1 or a@next/1.
func whoseTask(id string) (t Task, ok bool) {
	t.Server, t.ID, ok = strings.Cut(id, "/")
	t.Server, t.Version, _ = strings.Cut(t.Server, "@")
	return t, ok
}

func taskKeys(t testing.TB, bytes ...byte) *carry.Keys {
	t.Helper()
	var all [][]byte
	for _, b := range bytes {
		all = append(all, []byte(strings.Repeat(string(rune(b)), carry.Size)))
	}
	k, err := carry.New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTasksComeBackToTheirOwnerOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 12, 40)
		task := Task{Server: name.Draw(t, "server"), Version: name.Draw(t, "version"), Home: name.Draw(t, "home"), ID: rapid.String().Draw(t, "id")}
		owner := rapid.SliceOf(rapid.Byte()).Draw(t, "owner")
		k, err := carry.New([]byte(strings.Repeat("k", carry.Size)))
		if err != nil {
			t.Fatal(err)
		}
		s := NewTasks(k)
		id := s.Seal(owner, task)
		got, err := s.Open(owner, id)
		if err != nil || got != task {
			t.Fatalf("%+v came back as %+v, %v", task, got, err)
		}
		if again := s.Seal(owner, task); again != id {
			t.Fatalf("one task has two ids, %s and %s", id, again)
		}
		if got, err := s.Open(append(owner, 0), id); err == nil {
			t.Fatalf("another has opened %+v", got)
		}
		other := task
		other.ID += "x"
		if s.Seal(owner, other) == id || s.Seal(append(owner, 'x'), task) == id {
			t.Fatal("two tasks have one id")
		}
	})
}

// After a key was replaced the ids of before open, and new ones are given.
func TestTasksOutliveAKey(t *testing.T) {
	before := NewTasks(taskKeys(t, 'a')).Seal([]byte("ann"), Task{Server: "s", ID: "1"})
	s := NewTasks(taskKeys(t, 'b', 'a'))
	if got, err := s.Open([]byte("ann"), before); err != nil || got != (Task{Server: "s", ID: "1"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if s.Seal([]byte("ann"), Task{Server: "s", ID: "1"}) == before {
		t.Error("the key that was replaced still seals")
	}
	if _, err := NewTasks(taskKeys(t, 'b')).Open([]byte("ann"), before); err == nil {
		t.Error("a key that was dropped opens")
	}
}

// Nothing opens but what was sealed, for whom it was sealed.
func FuzzTasks(f *testing.F) {
	s := NewTasks(taskKeys(f, 'k', 'o'))
	was := Task{Server: "files", Version: "v2", Home: "http://10.0.0.3:8080", ID: "786512e2-9e0d-44bd-8f29-789f320fe840"}
	sealed := s.Seal([]byte("ann"), was)
	f.Add(sealed, []byte("ann"), "files", "")
	f.Add(sealed, []byte("bob"), "mail", "7")
	f.Add(sealed[:len(sealed)-1], []byte("ann"), "", "\x00")
	f.Add(sealed+"\n", []byte("ann"), "a", "b")
	f.Add("A"+sealed[1:], []byte("ann"), "a", "b")
	f.Add(s.keys.SealText(carry.Cursors, []byte("ann"), []byte("\x00\x05files\x00")), []byte("ann"), "a", "b")
	f.Add(s.keys.SealText(carry.Tasks, []byte("ann"), []byte("\x05files")), []byte("ann"), "a", "b")
	f.Add("", []byte(nil), "a", "b")
	f.Fuzz(func(t *testing.T, text string, owner []byte, server, id string) {
		got, err := s.Open(owner, text)
		if whose := text == sealed && string(owner) == "ann"; (err == nil) != whose || err == nil && got != was || err != nil && got != (Task{}) {
			t.Errorf("%q opened for %q: %+v, %v", text, owner, got, err)
		}
		mine := Task{Server: server, ID: id}
		given := s.Seal(owner, mine)
		if got, err := s.Open(owner, given); err != nil || got != mine {
			t.Errorf("%+v came back as %+v, %v", mine, got, err)
		}
		if given == text && err != nil {
			t.Errorf("%q was made by guessing", text)
		}
	})
}

func TestIdsOfTasksAreRewritten(t *testing.T) {
	const create, get, result = `"method":"tools/call","params":{"name":"x","task":{"ttl":1}}`, `"method":"tasks/get","params":{"taskId":"1"}`, `"method":"tasks/result","params":{"taskId":"1"}`
	for name, c := range map[string]struct{ asked, said, want string }{
		"one that was begun":          {create, `"result":{"task":{"taskId":"1","status":"working"}}`, `"result":{"task":{"taskId":"s/1","status":"working"}}`},
		"one of 2026-07-28":           {`"method":"tools/call","params":{"name":"x"}`, `"result":{"resultType":"task","taskId":"1"}`, `"result":{"resultType":"task","taskId":"s/1"}`},
		"a result that says the word": {`"method":"tools/call","params":{"name":"x"}`, `"result":{"content":[],"taskId":"1","task":{"taskId":"1"}}`, `"result":{"content":[],"taskId":"1","task":{"taskId":"1"}}`},
		"one that was asked for": {
			get, `"result":{"resultType":"complete","taskId":"1","status":"completed","result":{"content":[{"type":"resource_link","uri":"x:a"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}}`,
			`"result":{"resultType":"complete","taskId":"s/1","status":"completed","result":{"content":[{"type":"resource_link","uri":"s+x:a"}],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s/1"}}}}`,
		},
		"one that has failed": {get, `"result":{"taskId":"1","error":{"code":1,"data":{"uri":"x:a"}}}`, `"result":{"taskId":"s/1","error":{"code":1,"data":{"uri":"s+x:a"}}}`},
		"one that asks": {
			get, `"result":{"taskId":"1","inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[{"content":{"type":"resource_link","uri":"x:a"}}]}}}}`,
			`"result":{"taskId":"s/1","inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[{"content":{"type":"resource_link","uri":"s+x:a"}}]}}}}`,
		},
		"what one has led to": {
			result, `"result":{"content":[],"taskId":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"},"x":1}}`,
			`"result":{"content":[],"taskId":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s/1"},"x":1}}`,
		},
		"an id that is none": {get, `"result":{"taskId":7,"_meta":{"io.modelcontextprotocol/related-task":"1"}}`, `"result":{"taskId":7,"_meta":{"io.modelcontextprotocol/related-task":"1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var asked mcp.Message
			if r := asked.Decode([]byte(`{"jsonrpc":"2.0","id":1,`+c.asked+`}`), jsonscan.Options{}); r != nil {
				t.Fatal(r)
			}
			if got, want := reworded(t, &asked, `"id":1,`+c.said), `{"jsonrpc":"2.0","id":1,`+c.want+`}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func reworded(t *testing.T, asked *mcp.Message, said string) string {
	t.Helper()
	var m mcp.Message
	if r := m.DecodeServer([]byte(`{"jsonrpc":"2.0",`+said+`}`), jsonscan.Options{}); r != nil {
		t.Fatal(r)
	}
	var e jsonscan.Edits
	EditReply("s", asked, &m, public, &e)
	return string(m.AppendEdited(nil, &e))
}

func TestIdsOfTasksInNewsAndQuestionsAreRewritten(t *testing.T) {
	for _, c := range [][2]string{
		{
			`"method":"notifications/tasks/status","params":{"taskId":"1","status":"working"}`, `"method":"notifications/tasks/status","params":{"taskId":"s/1","status":"working"}`,
		},
		{
			`"method":"notifications/tasks","params":{"taskId":"1","status":"completed","result":{"content":[{"type":"resource_link","uri":"x:a"}]}}`,
			`"method":"notifications/tasks","params":{"taskId":"s/1","status":"completed","result":{"content":[{"type":"resource_link","uri":"s+x:a"}]}}`,
		},
		{
			`"method":"notifications/progress","params":{"progressToken":1,"taskId":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}`,
			`"method":"notifications/progress","params":{"progressToken":1,"taskId":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s/1"}}}`,
		},
		{
			`"id":1,"method":"elicitation/create","params":{"message":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}`,
			`"id":1,"method":"elicitation/create","params":{"message":"1","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s/1"}}}`,
		},
	} {
		if got, want := reworded(t, &none, c[0]), `{"jsonrpc":"2.0",`+c[1]+`}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestIdsOfTasksInAnswersAreTheServersOwn(t *testing.T) {
	v := all(t, "s")
	for said, want := range map[string]string{
		`{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s/1"}}}`: `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}`,
		`{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}`:   `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"}}}`,
		`{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":1}}}`:     `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":1}}}`,
	} {
		var e jsonscan.Edits
		answer := scan(t, said)
		v.EditAnswer("s", "elicitation/create", answer, own, &e)
		if got := string(answer.AppendEdited(nil, &e)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		var q jsonscan.Edits
		inputs := scan(t, `{"k":`+said+`}`)
		v.EditInputs("s", inputs, own, &q)
		if got := string(inputs.AppendEdited(nil, &q)); got != `{"k":`+want+`}` {
			t.Errorf("inputs: got %s, want %s", got, want)
		}
		if !Related(answer.Get("_meta")) {
			t.Errorf("%s is part of no task", said)
		}
	}
}

// A list of tasks is read as others are; whoever has the keys gives them their ids.
func TestTasksAreListed(t *testing.T) {
	v, err := New(Options{Servers: map[string]Selection{"a": {Tools: glob(t, false, "*")}, "b": {Prompts: glob(t, false, "*")}}})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Asks("a", "tasks") || v.Asks("b", "tasks") || v.Asks("c", "tasks") {
		t.Error("the wrong servers are asked")
	}
	const task = `"status":"working","createdAt":"t","lastUpdatedAt":"t","ttl":null`
	l, ok := v.Read("a", mcp.LookupMethod("tasks/list"), scan(t, `{"tasks":[{"taskId":"1",`+task+`},{"taskId":"1",`+task+`},{"taskId":"2"},{"taskId":7,`+task+`},{"taskId":"`+strings.Repeat("x", MaxTask+1)+`",`+task+`}]}`))
	var faults []string
	for _, e := range l.Entries {
		faults = append(faults, e.Fault)
	}
	if diff := cmp.Diff([]string{"", FaultTwice, FaultBadType, FaultNoName, FaultLongName}, faults); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

// A client is promised the tasks of its own era, and of those only what a server does.
func TestDiscoveryPromisesTasksOfTheClientsEra(t *testing.T) {
	v, err := New(Options{Servers: map[string]Selection{"a": {All: true}, "b": {All: true}, "c": {Prompts: glob(t, false, "*")}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ a, b, c, modern, legacy string }{
		"both":       {`"tasks":{"list":{},"requests":{"tools":{"call":{}}}}`, `"extensions":{"io.modelcontextprotocol/tasks":{}}`, ``, `"extensions":{"io.modelcontextprotocol/tasks":{}}`, `"tasks":{"list":{},"requests":{"tools":{"call":{}}}}`},
		"to cancel":  {`"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}`, ``, ``, ``, `"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}`},
		"of nothing": {`"tasks":{"list":{},"cancel":{},"requests":{"x":{}}}`, ``, ``, ``, ``},
		"of a server without tools": {
			``, ``, `"tasks":{"list":{},"requests":{"tools":{"call":{}}}},"extensions":{"io.modelcontextprotocol/tasks":{}}`, ``, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d Discovery
			for server, has := range map[string]string{"a": c.a, "b": c.b, "c": c.c} {
				if !d.Took(v, server, scan(t, `{"supportedVersions":["2026-07-28"],"capabilities":{`+has+`}}`)) {
					t.Fatal(server)
				}
			}
			if got := string(d.Append(nil, []byte("1"), v, "1", false)); !strings.Contains(got, `"capabilities":{`+c.modern+`}`) {
				t.Errorf("a client of 2026-07-28 is promised %s", got)
			}
			if got := string(d.AppendInitialized(nil, []byte("1"), v, "2025-11-25", "1", false)); !strings.Contains(got, `"capabilities":{`+c.legacy+`}`) {
				t.Errorf("one of before is promised %s", got)
			}
		})
	}
}
