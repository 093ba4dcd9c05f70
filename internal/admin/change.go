package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Token is an operator, known by the SHA-256 of a token.
type Token struct {
	ID   string
	Hash [sha256.Size]byte
}

// Change is what somebody wants to have changed.
type Change struct {
	Action   string // the last part of the path
	By       string // the operator; "" until the token is known
	From     string // the peer's address
	Revision string // that is to decide; "" if it is Archive, or the action says
	Name     string // of the file that Archive was read from, for what is said of it
	Archive  []byte
	Trial    string // how a candidate is to be tried: JSON, in the words of the config; "" says nothing
}

// Changes are what operators may change.
type Changes struct {
	// Tokens are the operators'. Without one nothing can be changed.
	Tokens func() []Token
	// Actions are what can be done.
	Actions []string
	// Do makes a change. Its error is a source.Diagnostics where something is wrong with what was asked for.
	Do func(ctx context.Context, c Change) error
	// Notified is told that there may be something new where the policies come from, and says whether it asks there; nil: nothing can be told.
	Notified func(n Notice) bool
	// Refused is told of what was not even tried, and why: with whom, if the token was good.
	Refused func(c Change, why string)
}

// Refusal is the answer to a change that was not made.
type Refusal struct {
	Error       string             `json:"error"`
	Diagnostics source.Diagnostics `json:"diagnostics,omitempty"`
	Text        string             `json:"text,omitempty"` // the diagnostics as commands print them
}

// changeTimeout bounds a change: the cases of a bundle are run before it decides.
const changeTimeout = 2 * time.Minute

// Try is the action that begins a trial: what is shown after it is the candidate.
const Try = "try"

// changesPath is what every change is below.
const changesPath = "/admin/v1/bundles/"

// change answers POST requests below changesPath.
type change struct {
	Changes
	done func(action string) any // what is shown after a change
	text func(source.Diagnostics) string
}

// refusals are why a change is not even tried.
var (
	errNoTokens  = errors.New("nothing can be changed here: the config has no admin.tokens")
	errBadToken  = errors.New("the token is missing, or nobody's: send it as Authorization: Bearer TOKEN")
	errNoAction  = errors.New("there is no such change")
	errNoPost    = errors.New("a change is a POST")
	errTooLarge  = errors.New("a bundle is at most 64 MiB")
	errBadBody   = errors.New("the request could not be read")
	errBadTarget = errors.New("give either a bundle, or the revision of one that is kept; the name of a file has letters, digits, `.`, `_` and `-`, and ends in .tar.gz")
)

func (c change) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wanted := Change{Action: strings.TrimPrefix(r.URL.Path, changesPath)}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		wanted.From = from.Addr().String()
	}
	status, err := c.admit(w, r, &wanted)
	switch {
	case err != nil:
	case wanted.Action == notice:
		status, err = c.notified(w, r)
		if err == nil {
			return
		}
	default:
		status, err = wanted.read(w, r)
	}
	if err != nil {
		c.Refused(wanted, err.Error())
		answer(w, status, Refusal{Error: err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	if err := c.Do(ctx, wanted); err != nil {
		out := Refusal{Error: err.Error()}
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			out.Diagnostics, out.Text = ds, c.text(ds)
		}
		answer(w, http.StatusConflict, out)
		return
	}
	answer(w, http.StatusOK, c.done(wanted.Action))
}

// admit finds out who wants something. Nothing of a body is read before that.
func (c change) admit(w http.ResponseWriter, r *http.Request, wanted *Change) (status int, err error) {
	if !slices.Contains(c.Actions, wanted.Action) && (wanted.Action != notice || c.Notified == nil) {
		return http.StatusNotFound, errNoAction
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, errNoPost
	}
	wanted.By, status, err = operator(w, r, c.Tokens())
	return status, err
}

// operator finds out whose token came with a request.
func operator(w http.ResponseWriter, r *http.Request, tokens []Token) (who string, status int, err error) {
	if len(tokens) == 0 {
		return "", http.StatusForbidden, errNoTokens
	}
	if who = whose(tokens, r.Header.Values("Authorization")); who == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return "", http.StatusUnauthorized, errBadToken
	}
	return who, 0, nil
}

// read says what is wanted.
func (c *Change) read(w http.ResponseWriter, r *http.Request) (status int, err error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // changeTimeout bounds it; where it can't be set, the server's own does
	if c.Archive, err = io.ReadAll(http.MaxBytesReader(w, r.Body, bundle.MaxArchive)); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return http.StatusRequestEntityTooLarge, errTooLarge
		}
		return http.StatusBadRequest, errBadBody
	}
	q := r.URL.Query()
	c.Revision, c.Name, c.Trial = q.Get("revision"), q.Get("name"), q.Get("candidate")
	if !c.wellFormed() {
		return http.StatusBadRequest, errBadTarget
	}
	return 0, nil
}

// wellFormed says whether a change names at most one thing, by a name that can be printed.
func (c *Change) wellFormed() bool {
	printable := !strings.ContainsFunc(c.Name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("._-", r)
	})
	if len(c.Archive) == 0 {
		return c.Name == "" && len(c.Revision) <= 100
	}
	return c.Revision == "" && printable && len(c.Name) <= 100 && bundle.IsArchive(c.Name)
}

// whose is the operator of a token. Every token is compared, in constant time.
func whose(tokens []Token, authorization []string) string {
	if len(authorization) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	hash, found := sha256.Sum256([]byte(token)), -1
	for i := range tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], tokens[i].Hash[:]), i, found)
	}
	if found < 0 || token == "" || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return tokens[found].ID
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "this can't be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
