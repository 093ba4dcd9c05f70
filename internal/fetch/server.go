package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// maxToken bounds a file that holds a token, maxETag what a server may call a version.
const (
	maxToken = 16 << 10
	maxETag  = 1 << 10
)

// server is a web server that has an archive at a URL.
type server struct {
	place
	url    string
	client *http.Client
	o      Options
}

func newServer(location string, o Options) (*server, error) {
	client, err := newClient(o, strings.HasPrefix(location, "http://"))
	return &server{place: place(Shown(location)), url: location, client: client, o: o}, err
}

// Fetch implements Source. A tag is the ETag by which the server knows the archive, or the archive's digest if it has none.
func (s *server) Fetch(ctx context.Context, have string, wait time.Duration) (*Content, error) {
	took := s.o.patience() + wait
	ctx, cancel := context.WithTimeout(ctx, took)
	defer cancel()
	known := isETag(have)
	r, err := s.question(ctx, have, known, wait)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, s.failed(err, took)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read, or is of no use
	switch {
	case answer.StatusCode == http.StatusNotModified && known:
		return nil, nil //nolint:nilnil // nothing new is not an error
	case answer.StatusCode == http.StatusNotModified:
		return nil, s.refuse(notIt, "the server says that nothing has changed, and wasn't asked", "see whether a cache stands between")
	case answer.StatusCode != http.StatusOK:
		return nil, s.status(answer.StatusCode)
	}
	data, err := s.read(answer, took)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // a server that sees its client leave may end an answer as if it were whole
		return nil, s.failed(err, took)
	}
	c := packed(data)
	if tag := answer.Header.Get("ETag"); isETag(tag) {
		c.Tag = tag
	}
	if c.Tag == have {
		return nil, nil //nolint:nilnil // likewise
	}
	return c, nil
}

// isETag says whether a tag is the server's own.
func isETag(tag string) bool {
	return len(tag) <= maxETag && (strings.HasPrefix(tag, `"`) || strings.HasPrefix(tag, `W/"`))
}

// question asks for another archive than the one that is known.
func (s *server) question(ctx context.Context, have string, known bool, wait time.Duration) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "sallyport")
	if known {
		r.Header.Set("If-None-Match", have)
		if seconds := int(wait / time.Second); seconds > 0 { // RFC 7240
			r.Header.Set("Prefer", fmt.Sprintf("wait=%d", seconds))
		}
	}
	token, err := s.o.token()
	if err != nil {
		return nil, s.refuse(refused, "the token can't be read: "+err.Error(), "see whether `tokenFile` is right")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r, nil
}

// errToken doesn't say what was found: it could be a part of the secret.
var errToken = errors.New("it is no token: one line of characters that show")

func (o Options) token() (string, error) {
	token := o.Token
	if o.TokenFile != "" {
		f, err := os.Open(o.TokenFile)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
		if token = strings.TrimSpace(string(text)); token == "" || len(text) > maxToken {
			return "", errToken
		}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errToken
	}
	return token, nil
}

func (s *server) read(answer *http.Response, took time.Duration) ([]byte, error) {
	if answer.ContentLength > bundle.MaxArchive {
		return nil, s.tooLarge()
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, bundle.MaxArchive+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, s.refuse(notIt, "the answer ends too early", "see whether the server is well")
	case err != nil:
		return nil, s.failed(err, took)
	case len(data) > bundle.MaxArchive:
		return nil, s.tooLarge()
	}
	return data, nil
}
