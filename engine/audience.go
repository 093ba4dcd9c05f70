package engine

import "github.com/sallyport-dev/sallyport/engine/condition"

// Audience tells callers apart as far as it matters to what they see of a server's lists. Make it with Snapshot.Audience.
type Audience struct{ key condition.Key }

// Audience returns that of a method's calls to a server: what rules read of the callers. It is false if that is not known before they are
// evaluated, or is more than the caller: the time, or a header whose name the message says.
func (s *Snapshot) Audience(method, server string) (Audience, bool) {
	if s == nil {
		return Audience{}, true // it denies
	}
	var fields []string
	for _, r := range s.all {
		// Neither a shadow rule nor one with a plugin has a say in a listing.
		if r.phase != PhaseRequest || r.shadow || r.plugin != nil || r.when == nil || !r.match.methods.match(method) || !r.match.servers.match(server) {
			continue
		}
		if r.when.Impure() != "" {
			return Audience{}, false
		}
		fields = append(fields, r.when.Reads()...)
	}
	key, err := condition.NewCallerKey(union(fields))
	return Audience{key}, err == nil
}

// Append appends what there is to read of the caller of a request. Of two requests of the method to the server that differ in nothing but
// Principal, Source and Header, Visible allows both or neither if Append writes the same.
func (a *Audience) Append(dst []byte, r *Request) []byte {
	in := condition.Input{Principal: r.Principal, Source: r.Source, Header: r.Header}
	return a.key.Append(dst, &in)
}
