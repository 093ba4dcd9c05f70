package bridge

import (
	"fmt"
	"slices"
	"strings"
)

// This file is tasks of a fake: calls of its tool job.

const (
	noTask = `"error":{"code":-32602,"message":"no such task"}`
	noExt  = `"error":{"code":-32021,"message":"tasks are needed"}`
	times  = `"createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z"`
)

// begin begins a task that only its session knows, and gives its id.
func (t *turn) begin() string {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.tasks = append(t.s.tasks, fmt.Sprintf("job-%d", len(t.s.tasks)+1))
	return t.s.tasks[len(t.s.tasks)-1]
}

func task25(id, status string) string {
	return fmt.Sprintf(`{"taskId":%q,"status":%q,%s,"ttl":null,"pollInterval":5}`, id, status, times)
}

// job is a call of the legacy server: a task, if the client wants one.
func (t *turn) job() string {
	if !t.params.Get("task").Exists() {
		return `"result":{"content":[{"type":"text","text":"at once"}]}`
	}
	id := t.begin()
	t.tell(id)
	return `"result":{"task":` + task25(id, "working") + `}`
}

// tell sends the status of a task on the stream for news, as it does unasked.
func (t *turn) tell(id string) {
	select {
	case t.s.news <- `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":` + task25(id, "working") + `}`:
	default:
	}
}

// tasks25 answers what the legacy server is asked about tasks.
func (t *turn) tasks25(method string) string {
	t.s.mu.Lock()
	all := slices.Clone(t.s.tasks)
	t.s.mu.Unlock()
	if method == "tasks/list" {
		var items []string
		for _, id := range all {
			items = append(items, task25(id, "working"))
		}
		return `"result":{"tasks":[` + strings.Join(items, ",") + `]}`
	}
	id := t.params.Get("taskId").Text()
	if !slices.Contains(all, id) {
		return noTask
	}
	related := fmt.Sprintf(`"_meta":{"io.modelcontextprotocol/related-task":{"taskId":%q}}`, id)
	switch method {
	case "tasks/get":
		return `"result":` + task25(id, "input_required")
	case "tasks/cancel":
		return `"result":` + task25(id, "cancelled")
	}
	answer := t.ask("elicitation/create", `{"message":"who?","requestedSchema":{"type":"object","properties":{}},`+related+`}`)
	return `"result":{"content":[{"type":"resource_link","uri":"a:b","name":"b"}],"structuredContent":` + answer + `,` + related + `}`
}

// declares says whether the client of 2026-07-28 has said that it knows tasks.
func (t *turn) declares() bool {
	return t.params.Path("_meta", metaCapabilities, "extensions", "io.modelcontextprotocol/tasks").Exists()
}

func task26(id, status string) string {
	return fmt.Sprintf(`"taskId":%q,"status":%q,%s,"ttlMs":null`, id, status, times)
}

// tasks26 answers what the modern server is asked about its one task. It ends when it has been given its input.
func (f *fake) tasks26(t *turn, method string) string {
	id := t.params.Get("taskId").Text()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !t.declares():
		return noExt
	case id != "job-1" || f.runs["job"] == 0:
		return noTask
	case method == "tasks/update":
		f.input = string(t.params.Get("inputResponses").Raw())
		return `"result":{"resultType":"complete"}`
	case method == "tasks/cancel":
		f.cancelled = append(f.cancelled, id)
		return `"result":{"resultType":"complete"}`
	case f.input == "":
		return `"result":{"resultType":"complete",` + task26(id, "input_required") + `,"inputRequests":{"who":{"method":"elicitation/create","params":{"message":"who?"}}}}`
	}
	return `"result":{"resultType":"complete",` + task26(id, "completed") + `,"result":{"content":[{"type":"resource_link","uri":"a:b","name":"b"}],"structuredContent":` + f.input + `}}`
}
