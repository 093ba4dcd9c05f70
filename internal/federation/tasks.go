package federation

import (
	"encoding/binary"
	"errors"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// relatedTask is the member of _meta by which a message says, before 2026-07-28, of which task it is a part.
const relatedTask = "io.modelcontextprotocol/related-task"

// Task is a task as its server knows it.
type Task struct {
	Server  string
	Version string // of the server; "" if it has none
	Home    string // the address of the one replica whose server has it; "" if any can ask for it
	ID      string // the server's own
}

// MaxTask bounds the id that a server gives a task in a list, in bytes. What else names the server and its replica fits beside it into what
// a client may send.
const MaxTask = 1024

// ErrTask says that a task's id is not one that was given to this caller.
var ErrTask = errors.New("not the id of a task that was given to this caller")

// Tasks makes the ids of tasks that clients see: the servers' own, sealed for the caller, with what finds the server again. A task
// has one id, wherever it occurs, for as long as the key that seals is the same; after that the old one opens for as long as its key does.
type Tasks struct{ keys *carry.Keys }

// NewTasks makes ids under keys.
func NewTasks(keys *carry.Keys) *Tasks { return &Tasks{keys} }

// Seal gives a task the id by which owner knows it. The owner must read differently for different ones.
func (s *Tasks) Seal(owner []byte, t Task) string {
	plain := carry.AppendHome(make([]byte, 0, len(t.Home)+len(t.Server)+len(t.Version)+len(t.ID)+8), t.Home)
	for _, part := range [...]string{t.Server, t.Version} {
		plain = append(binary.AppendUvarint(plain, uint64(len(part))), part...)
	}
	plain = append(plain, t.ID...)
	return carry.Encoding.EncodeToString(s.keys.SealSame(nil, carry.Tasks, owner, plain))
}

// Open gives the task that owner knows by this id.
func (s *Tasks) Open(owner []byte, id string) (t Task, err error) {
	plain, err := s.keys.OpenText(carry.Tasks, owner, id)
	if err != nil {
		return Task{}, ErrTask
	}
	home, plain, err := carry.CutHome(plain)
	if err != nil {
		return Task{}, ErrTask
	}
	t.Home = string(home)
	if t.Server, plain, err = field(plain); err != nil {
		return Task{}, ErrTask
	}
	if t.Version, plain, err = field(plain); err != nil {
		return Task{}, ErrTask
	}
	t.ID = string(plain)
	return t, nil
}

// editTask rewrites the id of a task.
func editTask(v jsonscan.Value, public func(own string) string, e *jsonscan.Edits) {
	if v.Kind() == jsonscan.String {
		e.Replace(v, jsonscan.AppendQuote(nil, public(v.Text())))
	}
}

func editRelated(meta jsonscan.Value, public func(own string) string, e *jsonscan.Edits) {
	editTask(meta.Path(relatedTask, "taskId"), public, e)
}

// Related says whether a message of a client is a part of a task.
func Related(meta jsonscan.Value) bool { return meta.Get(relatedTask).Exists() }

// EditRelated gives the id of the task that a client's message is a part of the form that the server knows. own is not ok for one that is
// not this server's, which stays as it is.
func EditRelated(meta jsonscan.Value, own func(id string) (string, bool), e *jsonscan.Edits) {
	if v := meta.Path(relatedTask, "taskId"); v.Kind() == jsonscan.String {
		if id, ok := own(v.Text()); ok {
			e.Replace(v, jsonscan.AppendQuote(nil, id))
		}
	}
}

// taskMethod says whether a request asks for a task. What tasks/result asks for is the result of a call.
func taskMethod(asked *mcp.Message) bool {
	return asked.Target == mcp.TargetTask && asked.Method != "tasks/result"
}

// editTasks rewrites the id of a task in a result: of one that was begun, in either form, or that was asked for.
func editTasks(asked *mcp.Message, result jsonscan.Value, public func(own string) string, e *jsonscan.Edits) {
	if taskMethod(asked) || result.Get("resultType").TextIs("task") {
		editTask(result.Get("taskId"), public, e)
	}
	if asked.Params.Get("task").Exists() {
		editTask(result.Path("task", "taskId"), public, e)
	}
}
