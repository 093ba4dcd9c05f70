package bridge

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// doubtful is how long a verdict counts that rests on a server's silence: it may
// have been ill.
const doubtful = 30 * time.Second

var errNoEra = errors.New("the server could not be asked which era of the protocol it speaks")

// verdict is the era that a server was found to speak.
type verdict struct {
	era   mcp.Era
	until time.Time // zero: it is pinned
}

// Era is the era that the server speaks, which is asked if it is not known. c is
// the call on whose behalf it is asked. An error is an *upstream.Error: nothing
// of c was sent.
func (a *Adapter) Era(c *upstream.Call) (mcp.Era, error) {
	v := a.known.Load()
	if v != nil && (v.until.IsZero() || c.Start.Before(v.until) && !c.Start.IsZero()) {
		return v.era, nil
	}
	return a.ask()
}

// ask asks the server, one at a time. A server that can't be asked again is what
// it was.
func (a *Adapter) ask() (mcp.Era, error) {
	a.probing.Lock()
	defer a.probing.Unlock()
	now := a.o.Now()
	old := a.known.Load()
	if old != nil && now.Before(old.until) {
		return old.era, nil
	}
	era, lasts, err := a.probe(now)
	switch {
	case err == nil:
		if old != nil && old.era == era {
			lasts = a.o.EraTTL // twice silent is no illness
		}
		a.known.Store(&verdict{era, now.Add(lasts)})
		if lasts > doubtful {
			a.settled(era)
		}
		return era, nil
	case old != nil:
		a.known.Store(&verdict{old.era, now.Add(doubtful)})
		return old.era, nil
	}
	return era, a.unsent(fmt.Errorf("%w: %w", errNoEra, err))
}

// settled gives up what only asking needed: a command that does not speak the
// modern era runs once for each session.
func (a *Adapter) settled(era mcp.Era) {
	if l, ok := a.inner.(interface{ EndShared() }); ok && era == mcp.Legacy {
		l.EndShared()
	}
}

// probe sends server/discover, and says what the answer proves and for how long.
// An error means that it proves nothing.
func (a *Adapter) probe(now time.Time) (mcp.Era, time.Duration, error) {
	var c upstream.Call
	defer c.Close()
	body := append([]byte(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"`+metaVersion+`":`), quoted(mcp.FirstModern)...)
	body = append(body, `,"`+metaCapabilities+`":{},"`+metaClientInfo+`":`+ownInfo+`}}}`...)
	c.Body, c.Method, c.ID, c.Modern = body, "server/discover", []byte("1"), true
	c.Header = append(c.Header, upstream.Field{Name: headerVersion, Value: mcp.FirstModern}, upstream.Field{Name: headerMethod, Value: c.Method})
	c.Start, c.Deadline = now, now.Add(a.o.ProbeTimeout)
	if err := a.inner.Do(&c); err != nil {
		return a.unanswered(err)
	}
	switch s := c.Status; {
	case s == 401, s == 403, s == 408, s == 429, s >= 500:
		return 0, 0, fmt.Errorf("http status %d", s)
	}
	answer, err := a.whole(&c)
	if err != nil {
		return a.unanswered(err)
	}
	var doc jsonscan.Doc
	if doc.Scan(answer, jsonscan.Options{}) != nil {
		return mcp.Legacy, a.o.EraTTL, nil
	}
	return eraOf(doc.Root()), a.o.EraTTL, nil
}

// unanswered judges a server that has not answered. A command that ends or stays
// silent when asked is of the legacy era, as far as is known.
func (a *Adapter) unanswered(err error) (mcp.Era, time.Duration, error) {
	var e *upstream.Error
	if a.headless && errors.As(err, &e) && e.Code != upstream.Unavailable && e.Code != upstream.Canceled {
		return mcp.Legacy, doubtful, nil
	}
	return 0, 0, err
}

// whole gives the answer of a call, of a stream its last message.
func (a *Adapter) whole(c *upstream.Call) ([]byte, error) {
	if c.Reply != upstream.Stream {
		return c.ReplyBody, nil
	}
	c.Extend(c.Deadline)
	for {
		e, err := c.Next()
		if err != nil {
			return nil, err
		}
		if isResponse(e.Data) {
			return e.Data, nil
		}
	}
}

// eraOf reads what a server says to server/discover. Success alone proves
// nothing: some servers answer while they negotiate down.
func eraOf(answer jsonscan.Value) mcp.Era {
	versions := answer.Path("result", "supportedVersions")
	if failure := answer.Get("error"); failure.Exists() {
		if code, _ := failure.Get("code").Int64(); code != unsupportedVersion {
			return mcp.Legacy
		}
		versions = failure.Path("data", "supported")
	}
	for c := versions.Cursor(); c.Next(); {
		if mcp.EraOf(c.Value().Text()) == mcp.Modern {
			return mcp.Modern
		}
	}
	return mcp.Legacy
}
