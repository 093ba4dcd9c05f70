package gateway

import (
	"bytes"
	"iter"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is servers of which there are several versions. Which one takes a message is settled before it is decided: what a server says
// of its tools is said by one version of it. A session stays with the version on which it began.

// Versions are the versions of one server.
type Versions struct {
	Split   *route.Split
	Servers map[string]upstream.Server // by version

	Mirror *Mirror // nil: none

	metrics map[string]*telemetry.Version // likewise; set by Swap
}

// reasonNoVersion says that it can't be told which version of a server takes a message.
const reasonNoVersion = "route_not_computed"

// choose finds the version of the server that takes the message, if there are several.
func (x *exchange) choose() *refusal {
	if x.snap.Versions == nil {
		return nil
	}
	vs := x.snap.Versions[x.serverName]
	if vs == nil {
		return nil
	}
	if !x.led && (!x.opened || x.joined) {
		x.fill(&x.msg)
		version, err := vs.Split.Choose(background, &x.request, x.callerKey())
		if err != nil {
			return x.bar(reasonNoVersion, "it can't be told which version of the server takes the call", err)
		}
		x.version = version
	}
	x.server, x.versioned = vs.Servers[x.version], vs.metrics[x.version]
	return nil
}

// callerKey is the same for the same caller. Who is anonymous is known by its address, and for as long as its session lasts by that.
func (x *exchange) callerKey() []byte {
	if x.who != nil && x.who.Kind != engine.KindAnonymous {
		key := identity.PrincipalKey(x.who)
		return key[:]
	}
	if x.joined {
		return x.sessionHash[:]
	}
	if x.msg.Method == "initialize" {
		x.newID()
		return x.id[:]
	}
	addr, _ := x.source()
	key := addr.As16()
	return key[:]
}

// bar denies a message for a reason that is not policy's.
func (x *exchange) bar(reason, message string, cause error) *refusal {
	x.barred = reason
	d := &x.decision
	d.Effect, d.Rule, d.Reason, d.Message, d.Cause, d.Revision = engine.Deny, nil, reason, message, cause, x.policy().Revision()
	r := x.denied(d)
	r.kind = telemetry.Refused
	return r
}

// A session id is sealed with the version that has given it before it, if its server has several.
const versionEnd = 0

// ownSession takes the version from what the client's session id has sealed. It is false if it is not one of this server as it is now.
func (x *exchange) ownSession() bool {
	at := bytes.IndexByte(x.session, versionEnd)
	vs := x.snap.Versions[x.serverName]
	if at < 0 || vs == nil {
		return at < 0 && vs == nil
	}
	name := string(x.session[:at])
	if vs.Servers[name] == nil {
		return false
	}
	x.version, x.session = name, append(x.session[:0], x.session[at+1:]...)
	return true
}

// sealedSession is what a session id of the server is sealed as.
func (x *exchange) sealedSession() string {
	if x.version == "" {
		return x.call.ReplySession
	}
	return x.version + string(rune(versionEnd)) + x.call.ReplySession
}

// observe times what the server did.
func (x *exchange) observe(kind telemetry.ErrorType) {
	x.metrics.Operation(x.msg.Method).Observe(x.outcome.upstream, kind)
	if x.versioned != nil {
		x.versioned.Observe(x.outcome.upstream, kind)
	}
}

// server is what takes the messages for a server, or a version of it; nil if there is none such.
func (s *Snapshot) server(name, version string) upstream.Server {
	if vs := s.Versions[name]; vs != nil {
		return vs.Servers[version]
	}
	if version != "" {
		return nil
	}
	return s.Servers[name]
}

// splits says whether the same callers come to the same versions of a server on both snapshots.
func (s *Snapshot) splits(name string, other *Snapshot) bool {
	a, b := s.Versions[name], other.Versions[name]
	return a == nil && b == nil || a != nil && b != nil && a.Split == b.Split
}

// upstreams are all servers, each version for itself.
func (s *Snapshot) upstreams() iter.Seq2[string, upstream.Server] {
	return func(yield func(string, upstream.Server) bool) {
		for name, server := range s.Servers {
			vs := s.Versions[name]
			if vs == nil {
				if !yield(name, server) {
					return
				}
				continue
			}
			for version, server := range vs.Servers {
				if !yield(name+"@"+version, server) {
					return
				}
			}
		}
	}
}

// stays says whether a stream's messages still come from the version that its caller comes to.
func (x *exchange) stays(s *Snapshot) bool {
	return s.server(x.serverName, x.version) == x.server && (x.opened || x.msg.Era != mcp.Modern || x.snap.splits(x.serverName, s))
}
