package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// What an operator may want of a server.
const (
	ShowServer    = "show"
	PutServer     = "put"
	RemoveServer  = "remove"
	ApproveServer = "approve"
	RevokeServer  = "revoke"
)

// ServerChange is what somebody wants of a server that the config doesn't name.
type ServerChange struct {
	Action string // one of those above; "" is none
	Name   string
	By     string // the operator; "" until the token is known
	From   string // the peer's address
	Digest string // that ApproveServer is about: of what the approver has seen
	JSON   bool   // what Text is; false: YAML
	Text   []byte // the server that PutServer is about
}

// Entry is a server that the config doesn't name, as it is written: what an operator approves.
type Entry struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	From   string `json:"from"`
	State  string `json:"state"`
	Digest string `json:"digest,omitempty"`
	// Definition is what Digest is of, with variables not expanded, and without what may be a secret in it.
	Definition json.RawMessage    `json:"definition,omitempty"`
	ApprovedBy string             `json:"approvedBy,omitempty"`
	Over       []string           `json:"passedOver,omitempty"` // others of its name, by where they stand
	Approved   *time.Time         `json:"approved,omitempty"`
	Mistakes   source.Diagnostics `json:"mistakes,omitempty"`
}

// Entries are what operators may say of servers.
type Entries struct {
	// Tokens are the operators'. Without one nothing can be said, and nothing is shown.
	Tokens func() []Token
	// Do does what is wanted, and gives the server as it is then; nil: it is none any more.
	Do func(ctx context.Context, c ServerChange) (*Entry, error)
	// Refused is told of what was not even tried, and why: with whom, if the token was good.
	Refused func(c ServerChange, why string)
	// Text is a source.Diagnostics as commands print it, about that text.
	Text func(ds source.Diagnostics, about []byte) string
}

// ErrNoServer says that there is no such server.
var ErrNoServer = errors.New("no server of that name was found")

// serversPath is what all of it is below.
const serversPath = "/admin/v1/servers/"

// maxServer bounds what is read of a server.
const maxServer = 64 << 10

const maxServerName = 64

// entries answers requests below serversPath.
type entries struct{ Entries }

// refusals are why something is not even tried.
var (
	errNoVerb     = errors.New("a server is put with PUT, removed with DELETE, shown with GET; it is approved with POST, and that is taken back with DELETE")
	errNoYAML     = errors.New("a server is application/yaml or application/json")
	errLongServer = errors.New("a server is at most 64 KiB")
	errNoDigest   = errors.New("say with digest= what is approved: what the gateway shows as its digest")
)

func (e entries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wanted := ServerChange{}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		wanted.From = from.Addr().String()
	}
	status, err := e.admit(w, r, &wanted)
	if err == nil {
		status, err = wanted.read(w, r)
	}
	if err != nil {
		e.Refused(wanted, err.Error())
		answer(w, status, Refusal{Error: err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // likewise bounded
	is, err := e.Do(ctx, wanted)
	switch ds, mistaken := errors.AsType[source.Diagnostics](err); {
	case errors.Is(err, ErrNoServer):
		answer(w, http.StatusNotFound, Refusal{Error: err.Error()})
	case mistaken:
		answer(w, http.StatusConflict, Refusal{Error: err.Error(), Diagnostics: ds, Text: e.Text(ds, wanted.Text)})
	case err != nil:
		answer(w, http.StatusConflict, Refusal{Error: err.Error()})
	case is == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusOK, is)
	}
}

// admit finds out who wants what. Nothing of a body is read before that.
func (e entries) admit(w http.ResponseWriter, r *http.Request, wanted *ServerChange) (status int, err error) {
	name, tail, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, serversPath), "/")
	if name == "" || len(name) > maxServerName || tail != "" && tail != ApproveServer {
		return http.StatusNotFound, errNoAction
	}
	wanted.Name = name
	switch {
	case tail == ApproveServer && r.Method == http.MethodPost:
		wanted.Action = ApproveServer
	case tail == ApproveServer && r.Method == http.MethodDelete:
		wanted.Action = RevokeServer
	case tail == "" && r.Method == http.MethodPut:
		wanted.Action = PutServer
	case tail == "" && r.Method == http.MethodDelete:
		wanted.Action = RemoveServer
	case tail == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		wanted.Action = ShowServer
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		if tail != "" {
			w.Header().Set("Allow", "POST, DELETE")
		}
		return http.StatusMethodNotAllowed, errNoVerb
	}
	wanted.By, status, err = operator(w, r, e.Tokens())
	return status, err
}

// read says what is wanted.
func (c *ServerChange) read(w http.ResponseWriter, r *http.Request) (status int, err error) {
	switch c.Action {
	case ApproveServer:
		if c.Digest = r.URL.Query().Get("digest"); c.Digest == "" {
			return http.StatusBadRequest, errNoDigest
		}
	case PutServer:
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if c.JSON = kind == "application/json"; !c.JSON && kind != "application/yaml" {
			return http.StatusUnsupportedMediaType, errNoYAML
		}
		if c.Text, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxServer)); err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return http.StatusRequestEntityTooLarge, errLongServer
			}
			return http.StatusBadRequest, errBadBody
		}
	}
	return 0, nil
}
