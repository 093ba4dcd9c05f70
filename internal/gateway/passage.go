package gateway

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/carry"
)

// This file is a request that one replica passes on to another: the head as the client sent it, who the client is, and the body, sealed
// as one for the replica that it is for. So it can't be read or altered on its way, or sent to another replica; and it is taken once.

// passagePath is where a replica takes what others pass on to it, and passageHeader how it says what it has done with it.
const (
	passagePath   = "/.sallyport/passage"
	passageHeader = "Sallyport-Passage"
	passageServed = "served" // the rest is the answer for the client
	passageNot    = "refused"
	passageUnsure = "unsure" // refused, but it may have been taken before: whatever lies between two replicas may send a request again
)

// isPassage says whether a request is one that another replica passes on, or looks like it.
func (g *Gateway) isPassage(h *fasthttp.RequestHeader) bool {
	return g.replicas != nil && string(h.RequestURI()) == passagePath
}

// maxEnvelope bounds what is added to the body.
const maxEnvelope = 256 << 10

// envelope is what a passage has beside the body.
type envelope struct {
	Time   int64      // ms since 1970
	Who    *traveller // nil: nobody known
	From   string     // the client's address
	Method []byte
	Target []byte
	Proto  []byte
	Head   []byte // the header lines
}

// envelope is the head of the request as its client has sent it.
func (x *exchange) envelope() envelope {
	if x.arrived != nil {
		return *x.arrived
	}
	h := &x.ctx.Request.Header
	return envelope{Method: h.Method(), Target: h.RequestURI(), Proto: h.Protocol(), Head: h.RawHeaders()}
}

// traveller is the client, as the replica that it has come to has verified.
type traveller struct {
	ID, Kind, Issuer      string
	Groups, Roles, Scopes []string
	Claims                json.RawMessage
	APIKey                string
}

func travellerOf(p *engine.Principal) *traveller {
	if p == nil {
		return nil
	}
	t := &traveller{ID: p.ID, Kind: p.Kind, Issuer: p.Issuer, Groups: p.Groups, Roles: p.Roles, Scopes: p.Scopes, APIKey: p.APIKey}
	if p.Claims.Exists() {
		t.Claims = p.Claims.AppendTo(nil)
	}
	return t
}

// principal is who a traveller is.
func (t *traveller) principal() (*engine.Principal, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // nobody is known
	}
	p := &engine.Principal{ID: t.ID, Kind: t.Kind, Issuer: t.Issuer, Groups: t.Groups, Roles: t.Roles, Scopes: t.Scopes, APIKey: t.APIKey}
	if t.Claims == nil {
		return p, nil
	}
	doc := new(jsonscan.Doc)
	if err := doc.Scan(t.Claims, jsonscan.Options{}); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	p.Claims = doc.Root()
	return p, nil
}

var errTooMuch = errors.New("what is known of the caller is too much to be passed on")

// sealPassage makes the passage of x to the replica home.
func (x *exchange) sealPassage(home string, body []byte) ([]byte, error) {
	own := x.envelope()
	own.Time, own.Who = x.g.Now().UnixMilli(), travellerOf(x.who)
	_, own.From = x.source()
	e, err := json.Marshal(&own)
	if err != nil {
		return nil, err
	}
	if len(e) > maxEnvelope-carry.Overhead-binary.MaxVarintLen64 {
		return nil, errTooMuch
	}
	plain := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+len(e)+len(body)), uint64(len(e)))
	plain = append(append(plain, e...), body...)
	return x.g.Keys.Seal(make([]byte, 0, carry.Overhead+len(plain)), carry.Passages, []byte(home), plain), nil
}

// Why a passage isn't taken.
var (
	errForged = errors.New("it was not sealed for this replica, with its keys")
	errLate   = errors.New("it was sealed too long ago, or before this replica has started, or the clocks of the replicas differ")
)

// openPassage opens what was passed on to this replica, once.
func (g *Gateway) openPassage(box []byte, now time.Time) (e *envelope, body []byte, err error) {
	r := g.replicas
	if r.home == "" {
		return nil, nil, errForged
	}
	plain, err := g.Keys.Open(nil, carry.Passages, []byte(r.home), box)
	if err != nil {
		return nil, nil, errForged
	}
	size, n := binary.Uvarint(plain)
	if n <= 0 || size > uint64(len(plain)-n) {
		return nil, nil, errForged
	}
	end := n + int(size)
	e = &envelope{}
	if err := json.Unmarshal(plain[n:end], e); err != nil {
		return nil, nil, errForged
	}
	sent := time.UnixMilli(e.Time)
	if sent.Before(r.since) || now.Sub(sent).Abs() > passageTime {
		return nil, nil, errLate
	}
	if err := r.once.take([nonceSize]byte(box), now); err != nil {
		return nil, nil, err
	}
	return e, plain[end:], nil
}

// arrival says whether a request was passed on to this replica, and what came of it.
type arrival uint8

const (
	atFirst  arrival = iota // it has come from its client
	notTaken                // it was passed on, and refused
	unsure                  // likewise, but it may have been taken before
	taken                   // it was passed on, and is served
)

// arrive makes x the request that another replica has passed on. What that one has checked, framing, Host, Origin and credentials, stands.
func (x *exchange) arrive() *refusal {
	x.arrival = notTaken
	if string(x.head.Method) != "POST" {
		return methodNotAllowed("POST")
	}
	if r := x.afford(); r != nil {
		return r
	}
	e, body, err := x.g.openPassage(x.ctx.Request.Body(), x.start)
	if err != nil {
		if errors.Is(err, errReplayed) || errors.Is(err, errLate) {
			x.arrival = unsure
		}
		return notTakenFor(err)
	}
	if err := x.head.Read(e.Method, e.Target, e.Proto, e.Head, x.g.head); err != nil {
		return badHead(err)
	}
	if x.who, err = e.Who.principal(); err != nil {
		return notTakenFor(errForged)
	}
	if x.from, err = netip.ParseAddr(e.From); err == nil {
		x.fromText = strings.Clone(e.From)
	}
	x.ctx.Request.SetBodyRaw(body)
	x.outcome.in, x.arrived = int64(len(body)), e
	x.arrival = taken
	return nil
}

// comeLike says of a part of a request where the request has come from.
func (x *exchange) comeLike(whole *exchange) {
	x.here, x.arrival, x.arrived, x.from, x.fromText = whole.here, whole.arrival, whole.arrived, whole.from, whole.fromText
}

// notTakenFor refuses a passage. Nothing of it was done now.
func notTakenFor(err error) *refusal {
	reason := "passage_forged"
	switch {
	case errors.Is(err, errCrowded):
		return overloaded()
	case errors.Is(err, errReplayed):
		reason = "passage_replayed"
	case errors.Is(err, errLate):
		reason = "passage_late"
	}
	r := forbidden(reason, "this can't be taken from another replica")
	r.cause = err
	return r
}

// announce says what became of what was passed on, so that whatever else answers in the place of a replica isn't taken for it.
func (x *exchange) announce() {
	switch x.arrival {
	case atFirst: // it was refused before it was looked at
		if x.g.isPassage(&x.ctx.Request.Header) {
			x.ctx.Response.Header.Set(passageHeader, passageNot)
		}
	case notTaken:
		x.ctx.Response.Header.Set(passageHeader, passageNot)
	case unsure:
		x.ctx.Response.Header.Set(passageHeader, passageUnsure)
	case taken:
		x.ctx.Response.Header.Set(passageHeader, passageServed)
	}
}
