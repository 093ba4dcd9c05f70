package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// Candidate is policies that are tried beside those that decide.
type Candidate struct {
	Policy *engine.Snapshot
	Trial  *trial.Trial // of Snapshot.Policy and Policy
	Canary *Canary      // whom the candidate decides for; nil: nobody
}

// Canary says for whom a candidate decides: whoever is named in any way. The zero Canary names nobody.
type Canary struct {
	Salt       uint64 // has another share chosen for each candidate: SaltOf
	Share      int    // of the principals, in hundredths of a percent; stable for a principal
	Principals []string
	Groups     []string
	Claims     map[string][]string // by name: the values of a claim, which is a string or a list of them
}

const wholeShare = 100 * 100

// names says whether the candidate decides for a principal.
func (c *Canary) names(who *engine.Principal) bool {
	if c == nil || who == nil {
		return false
	}
	if slices.Contains(c.Principals, who.ID) || slices.ContainsFunc(who.Groups, func(g string) bool { return slices.Contains(c.Groups, g) }) {
		return true
	}
	for name, values := range c.Claims {
		if claims(who.Claims.Get(name), values) {
			return true
		}
	}
	return c.Share > 0 && c.place(who) < c.Share
}

// claims says whether a claim is, or lists, one of the values.
func claims(v jsonscan.Value, values []string) bool {
	if v.Kind() == jsonscan.Array {
		for e := range v.Elems() {
			if e.Kind() == jsonscan.String && slices.Contains(values, e.Text()) {
				return true
			}
		}
		return false
	}
	return v.Kind() == jsonscan.String && slices.Contains(values, v.Text())
}

// SaltOf is the salt of a candidate, by its revision.
func SaltOf(revision string) uint64 {
	sum := sha256.Sum256([]byte(revision))
	return binary.BigEndian.Uint64(sum[:])
}

// place puts a principal on one of wholeShare places, the same each time, and on every gateway. It is asked for with each request, and so
// it is no digest: whoever had a name to fit a place would gain what is about to hold for all.
func (c *Canary) place(who *engine.Principal) int {
	h := c.Salt
	for _, part := range [...]string{who.Issuer, who.Kind, who.ID} {
		h = mix(h ^ xxhash.Sum64String(part))
	}
	return int(h % wholeShare)
}

// mix is one to one, and has every bit make a difference to all.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// policyFor is what decides for a principal. A candidate whose trial has gone wrong decides no more, also before it is taken out.
func (s *Snapshot) policyFor(who *engine.Principal) (by *engine.Snapshot, candidate bool) {
	if c := s.Candidate; c != nil && c.Canary.names(who) && !c.Trial.HasPassed() {
		return c.Policy, true
	}
	return s.Policy, false
}

// policy is what decides this request, and filters the lists that it is answered with: one and the same from its first door to its last.
func (x *exchange) policy() *engine.Snapshot {
	if x.snap.Candidate == nil {
		return x.snap.Policy
	}
	if !x.settled {
		x.by, x.tried = x.snap.policyFor(x.who)
		x.settled = true
	}
	return x.by
}

// decideLike has a part of a request decided by what decides the request.
func (x *exchange) decideLike(whole *exchange) {
	whole.policy()
	x.by, x.settled, x.tried = whole.by, whole.settled, whole.tried
}

// offer has a decision compared with what the other policies make of the message.
func (x *exchange) offer(c *Candidate, q *engine.Request, d *engine.Decision, tried bool) {
	e := x.envelope()
	x.newID()
	c.Trial.Offer(q, d, &trial.Offered{
		ID: x.id[:], Candidate: tried,
		Method: e.Method, Target: e.Target, Proto: e.Proto, Fields: e.Head,
	})
}

// ShowExample gives a message and what the candidate decides of it as a record would have it, for trial.Options.
func (g *Gateway) ShowExample(q *engine.Request, d *engine.Decision, id string) []byte {
	x := g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	defer func() {
		x.reset()
		g.exchanges.Put(x)
	}()
	x.request, x.who = *q, q.Principal
	r := &x.record
	r.Kind, r.Time, r.Phase = audit.Decision, q.Time, q.Phase.String()
	r.DecisionID, _ = audit.ParseID(id)
	r.Server, r.Method, r.Tool, r.Prompt, r.Resource = q.Server, q.Method, q.Tool, q.Prompt, q.Resource
	if q.Principal != nil {
		r.PrincipalID, r.PrincipalKind, r.Issuer = q.Principal.ID, q.Principal.Kind, q.Principal.Issuer
	}
	recordDecision(r, d)
	if g.RecordInputs {
		x.recordInputs(r, d)
	}
	return g.Audit.Show(r)
}
