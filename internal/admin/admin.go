// Package admin serves what operators and their machines ask the gateway about itself: health, readiness, metrics and
// status. What only shows asks for no credentials; a change of the policies that decide needs a token. Nothing here starts anything
// or fetches anything.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Options says what the admin endpoints show. Checks, Metrics, Status, Servers, Tools and Bundles may be nil.
type Options struct {
	// Ready are the checks of /readyz, in their order.
	Ready []Check
	// Live are the checks of /livez and /healthz; usually none: answering is being alive.
	Live []Check
	// Metrics serves /metrics.
	Metrics http.Handler
	// Status is what /admin/v1/status shows.
	Status func() Status
	// Servers is what /admin/v1/servers shows.
	Servers func() []Server
	// Tools is what /admin/v1/tools shows.
	Tools func() []Tool
	// Bundles is what /admin/v1/bundles shows.
	Bundles func() []Bundle
	// Candidate is what /admin/v1/candidate shows; nil = there is no such path.
	Candidate func() any
	// Changes are what operators may change below /admin/v1/bundles/; nil = nothing, and there is no such path. It needs Bundles.
	Changes *Changes
	// Entries are what operators may say of servers below /admin/v1/servers/; nil = nothing, and there is no such path.
	Entries *Entries
	// Text is a source.Diagnostics as commands print it; needed with Changes.
	Text func(source.Diagnostics) string
	// Hosts are the names that a request's Host may have, without a port; nil = those of this machine's loopback.
	Hosts []string
}

// A Check is one thing that must be well. Run returns nil if it is; it must return soon when its context ends.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// checkTimeout bounds all checks of one request together.
const checkTimeout = 3 * time.Second

// Handler returns the admin endpoints.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	live, ready := checks{"livez", o.Live}, checks{"readyz", o.Ready}
	mux.Handle("/healthz", checks{"healthz", o.Live})
	mux.Handle("/livez", live)
	mux.Handle("/livez/{name}", live)
	mux.Handle("/readyz", ready)
	mux.Handle("/readyz/{name}", ready)
	if o.Metrics != nil {
		mux.Handle("/metrics", o.Metrics)
	}
	if o.Status != nil {
		mux.Handle("/admin/v1/status", show[Status](o.Status))
	}
	if o.Servers != nil {
		mux.Handle("/admin/v1/servers", show[[]Server](o.Servers))
	}
	if o.Tools != nil {
		mux.Handle("/admin/v1/tools", show[[]Tool](o.Tools))
	}
	if o.Bundles != nil {
		mux.Handle("/admin/v1/bundles", show[[]Bundle](o.Bundles))
	}
	if o.Candidate != nil {
		mux.Handle("/admin/v1/candidate", show[any](o.Candidate))
	}
	if o.Changes != nil {
		mux.Handle(changesPath, change{Changes: *o.Changes, done: o.done, text: o.Text})
	}
	if o.Entries != nil {
		mux.Handle(serversPath, entries{*o.Entries})
	}
	return guard{hosts: o.Hosts, next: mux}
}

// done is what is shown after a change.
func (o *Options) done(action string) any {
	if action == Try && o.Candidate != nil {
		return o.Candidate()
	}
	return o.Bundles()
}

// guard keeps browsers out, which may be made to ask on behalf of a page that was never meant to see this.
type guard struct {
	hosts []string
	next  http.Handler
}

func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	switch {
	case !g.host(r.Host):
		http.Error(w, "this host is not served", http.StatusForbidden)
	case len(r.Header.Values("Origin")) > 0 || crossSite(r.Header.Get("Sec-Fetch-Site")):
		http.Error(w, "not for pages of other origins", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasPrefix(r.URL.Path, changesPath) && !strings.HasPrefix(r.URL.Path, serversPath):
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is served", http.StatusMethodNotAllowed)
	default:
		g.next.ServeHTTP(w, r)
	}
}

func crossSite(site string) bool { return site != "" && site != "none" && site != "same-origin" }

func (g guard) host(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if g.hosts != nil {
		return slices.ContainsFunc(g.hosts, func(own string) bool { return strings.EqualFold(own, name) })
	}
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// checks answers as Kubernetes' own components do: 200 and "ok", or 503 and one line for each check.
type checks struct {
	name string
	list []Check
}

func (c checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := c.list
	if name := r.PathValue("name"); name != "" {
		i := slices.IndexFunc(list, func(check Check) bool { return check.Name == name })
		if i < 0 {
			http.NotFound(w, r)
			return
		}
		list = list[i : i+1]
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	text, ok := run(ctx, list, r.URL.Query()["exclude"])
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case !ok:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, "%s%s check failed\n", text, c.name)
	case r.URL.Query().Has("verbose"):
		_, _ = fmt.Fprintf(w, "%s%s check passed\n", text, c.name)
	default:
		_, _ = fmt.Fprint(w, "ok")
	}
}

func run(ctx context.Context, list []Check, exclude []string) (text string, ok bool) {
	var b strings.Builder
	ok = true
	for _, check := range list {
		if slices.Contains(exclude, check.Name) {
			fmt.Fprintf(&b, "[+]%s excluded: ok\n", check.Name)
			continue
		}
		if err := runOne(ctx, check); err != nil {
			ok = false
			fmt.Fprintf(&b, "[-]%s failed: %s\n", check.Name, oneLine(err.Error()))
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", check.Name)
	}
	return b.String(), ok
}

// runOne takes a check that panics for one that failed.
func runOne(ctx context.Context, check Check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the check panicked")
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	return check.Run(ctx)
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// show answers with what a function gives, as JSON.
type show[T any] func() T

func (s show[T]) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := json.MarshalIndent(s(), "", "  ")
	if err != nil {
		http.Error(w, "this can't be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

// NewServer returns a server for h with bounds on everything a peer may take time or memory for. The caller gives it a
// listener and shuts it down.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadTimeout:       10 * time.Second,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	if log != nil {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	}
	return s
}
