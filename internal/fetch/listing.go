package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Bounds of what a registry of servers can make one round of questions take.
const (
	pageSize     = 100     // entries that are asked for
	maxPage      = 8 << 20 // bytes
	maxPages     = 200
	maxListing   = 16 << 20 // bytes of all entries that are taken
	maxCursor    = 4 << 10
	maxNameless  = 16 // entries of which nobody can say what they are
	listingWaits = 4  // as long as one answer may take: all of them
)

const noListing = "SP1421"

// Want is one question to a registry of servers: what to search for, and what is taken of the answer.
type Want struct {
	Search  string // a part of the names; "": all
	Version string // "": the latest
	Takes   func(name string) bool
}

// listing is a registry of MCP servers, as https://registry.modelcontextprotocol.io is one: GET /v0.1/servers.
type listing struct {
	place
	base   *url.URL
	wants  []Want
	client *http.Client
	o      Options

	mu    sync.Mutex
	pages map[asked]page // as they were answered last
}

// asked is a page, and what for: each takes something else.
type asked struct {
	want int
	at   string
}

// page is what was taken of one answer.
type page struct {
	etag  string
	taken []json.RawMessage // without space between
	next  string
}

// CheckListing says what is wrong with the location of a registry of servers, and how to write it; "" if nothing is.
func CheckListing(location string) (wrong, help string) {
	if strings.HasPrefix(location, ociScheme) {
		return "a registry of servers is asked by https", "write its list: `https://HOST/v0.1/servers`"
	}
	const form = "write its list, `https://HOST/v0.1/servers`; http only to this machine"
	u, err := url.Parse(location)
	switch wrong, _ := Check(location); {
	case wrong == "":
		return "", ""
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "it is not where a registry can be asked", form
	case u.User != nil:
		return wrong, "send credentials by `tokenFile: FILE`"
	default:
		return wrong, form
	}
}

// NewListing is the entries of a registry of MCP servers that somebody wants. A Content of it has them in Packed, a line for each, sorted;
// of those whose names can't be read some are among them. It is asked anew each time, and never waits for a change.
func NewListing(location string, wants []Want, o Options) (Source, error) {
	if wrong, help := CheckListing(location); wrong != "" {
		return nil, fmt.Errorf("%s: %s: %s", Shown(location), wrong, help)
	}
	base, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	client, err := newClient(o, base.Scheme == "http")
	return &listing{place: place(Shown(location)), base: base, wants: wants, client: client, o: o}, err
}

// Fetch implements Source. A tag is a digest of the entries. If any question has no answer, there is none to all of them.
func (l *listing) Fetch(ctx context.Context, have string, _ time.Duration) (*Content, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, listingWaits*l.o.patience())
	defer cancel()
	pages := map[asked]page{}
	var all [][]byte
	size := 0
	for i := range l.wants {
		err := l.walk(ctx, i, pages, func(entry json.RawMessage) bool {
			all = append(all, entry)
			size += len(entry)
			return size <= maxListing
		})
		if err != nil {
			return nil, err
		}
	}
	l.pages = pages
	slices.SortFunc(all, bytes.Compare)
	text := bytes.Join(slices.CompactFunc(all, bytes.Equal), []byte("\n"))
	sum := sha256.Sum256(text)
	c := &Content{Tag: hex.EncodeToString(sum[:]), Packed: text}
	if c.Tag == have {
		return nil, nil //nolint:nilnil // nothing new is not an error
	}
	return c, nil
}

// walk asks for all pages that have what is wanted.
func (l *listing) walk(ctx context.Context, i int, pages map[asked]page, take func(json.RawMessage) bool) error {
	seen := map[string]bool{}
	for cursor := ""; ; {
		at := asked{i, l.at(l.wants[i], cursor)}
		if len(pages) >= maxPages {
			return l.says(fmt.Sprintf("it has more than %d pages of what is selected", maxPages), "select fewer servers with `names`")
		}
		p, err := l.ask(ctx, at)
		if err != nil {
			return err
		}
		pages[at] = p
		for _, entry := range p.taken {
			if !take(entry) {
				return l.says(fmt.Sprintf("what is selected of it is larger than %d MiB", maxListing>>20), "select fewer servers with `names`")
			}
		}
		if p.next == "" {
			return nil
		}
		if seen[p.next] {
			return l.says("its cursors lead in a circle", "see whether the registry is well")
		}
		cursor = p.next
		seen[cursor] = true
	}
}

// at is where a page is.
func (l *listing) at(want Want, cursor string) string {
	u := *l.base
	q := u.Query()
	version := want.Version
	if version == "" {
		version = "latest"
	}
	q.Set("limit", strconv.Itoa(pageSize))
	q.Set("version", version)
	if want.Search != "" {
		q.Set("search", want.Search)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// ask asks for one page, which may be as it was before.
func (l *listing) ask(ctx context.Context, at asked) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.patience())
	defer cancel()
	before, known := l.pages[at]
	known = known && before.etag != ""
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.at, http.NoBody)
	if err != nil {
		return page{}, err
	}
	r.Header.Set("User-Agent", "sallyport")
	r.Header.Set("Accept", "application/json")
	if known {
		r.Header.Set("If-None-Match", before.etag)
	}
	token, err := l.o.token()
	if err != nil {
		return page{}, l.says("the token can't be read: "+err.Error(), "see whether `tokenFile` is right")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return page{}, l.mine(l.failed(err, l.o.patience()))
	}
	defer answer.Body.Close() //nolint:errcheck // it was read, or is of no use
	switch {
	case answer.StatusCode == http.StatusNotModified && known:
		return before, nil
	case answer.StatusCode == http.StatusNotModified:
		return page{}, l.says("the server says that nothing has changed, and wasn't asked", "see whether a cache stands between")
	case answer.StatusCode != http.StatusOK:
		return page{}, l.mine(l.status(answer.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxPage+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return page{}, l.says("an answer ends too early", "see whether the registry is well")
	case err != nil:
		return page{}, l.mine(l.failed(err, l.o.patience()))
	case len(data) > maxPage:
		return page{}, l.says(fmt.Sprintf("an answer is larger than %d MiB", maxPage>>20), "see whether `from` names the list of a registry")
	}
	p, wrong := readPage(data, l.wants[at.want].Takes)
	if wrong != "" {
		return page{}, l.says(wrong, "see whether `from` names the list of a registry: `https://HOST/v0.1/servers`")
	}
	if tag := answer.Header.Get("ETag"); isETag(tag) {
		p.etag = tag
	}
	return p, nil
}

// readPage takes from an answer the entries with names that are wanted. What else is in them is for others to judge, one by one.
func readPage(data []byte, takes func(name string) bool) (p page, wrong string) {
	var answer struct {
		Servers  *[]json.RawMessage `json:"servers"`
		Metadata struct {
			Next string `json:"nextCursor"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Servers == nil {
		return p, "the answer is no list of servers"
	}
	if p.next = answer.Metadata.Next; len(p.next) > maxCursor {
		return p, fmt.Sprintf("a cursor has more than %d characters", maxCursor)
	}
	nameless := 0
	for _, entry := range *answer.Servers {
		var is struct {
			Server struct {
				Name *string `json:"name"`
			} `json:"server"`
		}
		switch err := json.Unmarshal(entry, &is); {
		case err != nil || is.Server.Name == nil:
			if nameless++; nameless > maxNameless {
				continue
			}
		case !takes(*is.Server.Name):
			continue
		}
		var line bytes.Buffer
		if json.Compact(&line, entry) == nil {
			p.taken = append(p.taken, line.Bytes())
		}
	}
	return p, ""
}

func (l *listing) says(message, help string) error { return l.refuse(noListing, message, help) }

// mine gives what is wrong with a question under the code of registries.
func (l *listing) mine(err error) error {
	ds, ok := errors.AsType[source.Diagnostics](err)
	if !ok {
		return err
	}
	return l.says(ds[0].Message, "see `discovery.registries`: whether the registry is well and can be reached from here, and takes what is sent as `token`")
}
