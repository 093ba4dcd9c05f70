// Package fetch gets policies from where they are: a directory, a file, a web server, a registry of OCI artifacts.
//
// It says nothing about who made them: what comes from elsewhere is bytes, which engine/bundle verifies before it looks into them.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Content is what a source had.
type Content struct {
	Tag    string         // by which the source knows it again
	Packed []byte         // an archive, as it is stored
	Set    *bundle.Bundle // in place of an archive: what a directory holds, or a file of policies
}

// packed is an archive, known by its digest.
func packed(data []byte) *Content {
	sum := sha256.Sum256(data)
	return &Content{Tag: hex.EncodeToString(sum[:]), Packed: data}
}

// Source is where policies come from. One may be asked by several goroutines at once.
type Source interface {
	// Fetch gives what is there, or nil if that is what have names: the Tag of a Content that it gave before, "" for none. A source that
	// is told of changes waits for one, as long as wait at most; others ignore it. Its error is a source.Diagnostics if the source is
	// elsewhere, or if policies have mistakes.
	Fetch(ctx context.Context, have string, wait time.Duration) (*Content, error)
}

// Options say how sources elsewhere are asked.
type Options struct {
	Token        string // sent to a web server as a bearer token
	TokenFile    string // a file that holds it, read anew for each question
	CAFile       string // the certificates that the server's must chain to, PEM; "": the system's
	DockerConfig string // the file that holds, or says who holds, the credentials of registries; "": none
	Timeout      time.Duration
	Pause        func() // called between two pieces of reading what is at hand; nil: nothing is
}

// patience is how long a source elsewhere may take for an answer, where Options don't say.
const patience = 30 * time.Second

func (o Options) patience() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return patience
}

const ociScheme = "oci://"

// Remote says whether a location is elsewhere: a URL, and not a path.
func Remote(location string) bool { return strings.Contains(location, "://") }

// Shown is a location without what could be a secret in it.
func Shown(location string) string {
	if !Remote(location) {
		return location
	}
	location, _, _ = strings.Cut(location, "#")
	location, _, _ = strings.Cut(location, "?")
	scheme, rest, _ := strings.Cut(location, "://")
	authority, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		authority = authority[i+1:]
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

// Check says what is wrong with a location elsewhere, and how to write it; "" if nothing is.
func Check(location string) (wrong, help string) {
	if strings.HasPrefix(location, ociScheme) {
		if _, err := reference(location); err != nil {
			return err.Error(), "write `oci://registry.example/acme/policies:production`, or `@sha256:...` in place of the tag"
		}
		return "", ""
	}
	const form = "write an https URL, or an oci reference; http only to this machine"
	u, err := url.Parse(location)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "it is not where a bundle can be fetched from", form
	case u.User != nil:
		return "a password in it would be seen in logs", "send credentials by `bundle: { tokenFile: FILE }`"
	case u.Fragment != "":
		return "a fragment is never sent", form
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "whoever is between could read and change what is sent", form
	}
	return "", ""
}

// Holds says whether what was pushed to a repository of a registry, under a tag if there is one, could be what is at a location. Whoever
// says so may know the registry by another name.
func Holds(location, repository, tag string) bool {
	if !strings.HasPrefix(location, ociScheme) {
		return false
	}
	ref, err := reference(location)
	return err == nil && ref.Repository == repository && (tag == "" || ref.Reference == tag)
}

// SameServer says whether two locations are at one server, so that a token for the one is for the other.
func SameServer(a, b string) bool {
	one, err := url.Parse(a)
	two, err2 := url.Parse(b)
	return err == nil && err2 == nil && sameOrigin(one, two)
}

// New is the source at a location. The error says what is wrong with it, or with a file that the options name.
func New(location string, o Options) (Source, error) {
	if !Remote(location) {
		return local{location, o.Pause}, nil
	}
	if wrong, help := Check(location); wrong != "" {
		return nil, fmt.Errorf("%s: %s: %s", Shown(location), wrong, help)
	}
	if strings.HasPrefix(location, ociScheme) {
		return newRegistry(location, o)
	}
	return newServer(location, o)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// The codes of what can be wrong with sources elsewhere.
const (
	unreachable = "SP8301"
	refused     = "SP8302"
	notIt       = "SP8303"
	elsewhere   = "SP8304"
)

// place is a location that mistakes are about.
type place string

func (p place) refuse(code, message, help string) source.Diagnostics {
	return source.Diagnostics{source.Pos{File: string(p)}.Diagnose(code, message, help)}
}

func (p place) tooLarge() source.Diagnostics {
	return p.refuse(notIt, fmt.Sprintf("what it sends is larger than %d MiB", bundle.MaxArchive>>20), "name a bundle, and nothing else")
}
