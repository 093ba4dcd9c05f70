package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
)

// This file is what operators say to a gateway that runs.

// operator is how a command reaches the admin API of a gateway.
type operator struct {
	Admin     string `default:"http://127.0.0.1:9090" placeholder:"URL" env:"SALLYPORT_ADMIN" help:"The admin API of the gateway."`
	TokenFile string `name:"token-file" placeholder:"FILE" env:"SALLYPORT_ADMIN_TOKEN_FILE" help:"The file that holds an operator's token. Default: the token in SALLYPORT_ADMIN_TOKEN."`
}

type bundleActivate struct {
	operator `embed:""`
	Bundle   string `arg:"" placeholder:"FILE|REVISION" help:"An archive, which is sent to the gateway; or the revision of one that it keeps."`

	Shadow     bool                `xor:"mode" help:"Only try it, beside what decides: see docs/shadow.md."`
	Canary     bool                `xor:"mode" help:"Try it, and have it decide for some callers."`
	Share      string              `placeholder:"PERCENT" help:"Of a canary: the callers it decides for."`
	Principals []string            `placeholder:"ID" help:"Of a canary: callers that it decides for, too."`
	Groups     []string            `placeholder:"GROUP" help:"Of a canary: groups whose members it decides for, too."`
	Claims     map[string][]string `placeholder:"NAME=VALUE" help:"Of a canary: claims whose holders it decides for, too."`
	Withdraw   map[string]float64  `mapsep:"," placeholder:"BOUND=N" help:"When a canary ends by itself: after=100,denials=1,errors=0.5."`
	Budget     float64             `placeholder:"PERCENT" help:"The time of all processors that comparing may take. Default: 2."`
}

func (c bundleActivate) Run(p *process) error {
	action, query, err := c.trial()
	if err != nil {
		return err
	}
	if strings.HasPrefix(c.Bundle, "sha256:") {
		query.Set("revision", c.Bundle)
		return c.ask(p, action, query, nil)
	}
	a, err := readArchive(c.Bundle)
	if err != nil {
		return err
	}
	query.Set("name", filepath.Base(c.Bundle))
	return c.ask(p, action, query, a.Data())
}

// trial is what the gateway is to do with the bundle, and how.
func (c bundleActivate) trial() (action string, query url.Values, err error) {
	said := map[string]any{}
	if c.Share != "" {
		share, err := strconv.ParseFloat(strings.TrimSuffix(c.Share, "%"), 64)
		if err != nil {
			return "", nil, failf(exitUsage, "--share: `%s` is no percentage, such as 5%%", c.Share)
		}
		said["share"] = share
	}
	for name, list := range map[string][]string{"principals": c.Principals, "groups": c.Groups} {
		if list != nil {
			said[name] = list
		}
	}
	if c.Claims != nil {
		said["claims"] = c.Claims
	}
	if c.Withdraw != nil {
		said["withdraw"] = c.Withdraw
	}
	if c.Budget != 0 {
		said["budget"] = c.Budget
	}
	switch {
	case c.Canary:
		said["mode"] = "canary"
	case c.Shadow:
		said["mode"] = "shadow"
	case len(said) > 0:
		return "", nil, failf(exitUsage, "write --shadow or --canary: --%s is for what is only tried", slices.Min(slices.Collect(maps.Keys(said))))
	default:
		return "activate", url.Values{}, nil
	}
	text, err := json.Marshal(said)
	return admin.Try, url.Values{"candidate": {string(text)}}, err
}

type bundleRollback struct {
	operator `embed:""`
}

func (c bundleRollback) Run(p *process) error { return c.ask(p, "rollback", nil, nil) }

type bundlePromote struct {
	operator `embed:""`
}

func (c bundlePromote) Run(p *process) error { return c.ask(p, "promote", nil, nil) }

type bundleWithdraw struct {
	operator `embed:""`
}

func (c bundleWithdraw) Run(p *process) error {
	quiet := *p
	quiet.stdout = io.Discard
	if err := c.ask(&quiet, "withdraw", nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "withdrawn")
	return nil
}

// asking bounds how long a gateway may take: it runs the bundle's cases first.
const asking = 3 * time.Minute

// maxAnswer bounds what a gateway may answer.
const maxAnswer = 32 << 20

// ask has the gateway do something, and prints what decides from then on.
func (c operator) ask(p *process, action string, query url.Values, body []byte) error {
	token, err := c.token(p)
	if err != nil {
		return err
	}
	status, text, err := c.send(p, http.MethodPost, "bundles/"+action, query, body, token)
	if err != nil {
		return err
	}
	return printAnswer(p, status, text)
}

// show has the gateway show something, and reads it.
func (c operator) show(p *process, path string, into any) error {
	status, text, err := c.send(p, http.MethodGet, path, nil, nil, "")
	if err != nil {
		return err
	}
	if status != http.StatusOK || json.Unmarshal(text, into) != nil {
		return failf(exitUnexpected, "the gateway answers with status %d, and not as an admin API does", status)
	}
	return nil
}

// send asks the admin API.
func (c operator) send(p *process, method, path string, query url.Values, body []byte, token string) (status int, text []byte, err error) {
	return c.sendAs(p, method, path, query, "", body, token)
}

// sendAs asks the admin API, and says what kind of body it sends.
func (c operator) sendAs(p *process, method, path string, query url.Values, kind string, body []byte, token string) (status int, text []byte, err error) {
	to, err := c.url(path, query)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, asking)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, failf(exitUsage, "--admin: %w", err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, failf(exitUnreachable, "%w", err)
	}
	text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return 0, nil, failf(exitUnreachable, "%w", err)
	}
	return answer.StatusCode, text, nil
}

var errRedirected = errors.New("the gateway wants the token to go elsewhere")

// url is where something is asked. A token goes to this machine, or under TLS.
func (c operator) url(path string, query url.Values) (string, error) {
	u, err := url.Parse(c.Admin)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", failf(exitUsage, "--admin: `%s` is not the URL of an admin API, such as http://127.0.0.1:9090", c.Admin)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return "", failf(exitUsage, "--admin: a token is not sent to other machines without TLS: forward the port, or write https")
	}
	u = u.JoinPath("admin", "v1", path)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c operator) token(p *process) (string, error) {
	token, ok := p.getenv("SALLYPORT_ADMIN_TOKEN")
	if c.TokenFile != "" {
		text, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return "", failf(exitUsage, "%w", err)
		}
		token, ok = strings.TrimSpace(string(text)), true
	}
	if !ok || token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", failf(exitUsage, "a change needs an operator's token, in SALLYPORT_ADMIN_TOKEN or --token-file")
	}
	return token, nil
}

// printAnswer prints what a gateway says, as if this command had found it.
func printAnswer(p *process, status int, text []byte) error {
	if status == http.StatusOK {
		type shown struct {
			Name, Revision, State, Mode string
			Version                     int64
		}
		var all []shown
		var one shown
		if err := json.Unmarshal(text, &one); err == nil && one.State == stateTried {
			fmt.Fprintf(p.stdout, "tried: %s %d, %s, %s\n", one.Name, one.Version, one.Mode, one.Revision)
			return nil
		}
		if err := json.Unmarshal(text, &all); err != nil || len(all) == 0 {
			return failf(exitUnexpected, "this is not the answer of a gateway")
		}
		for _, b := range all {
			fmt.Fprintf(p.stdout, "active: %s %d, %s\n", b.Name, b.Version, b.Revision)
		}
		return nil
	}
	var refused struct {
		Error, Text string
		Diagnostics []struct{ Code string }
	}
	if err := json.Unmarshal(text, &refused); err != nil || refused.Error == "" {
		return failf(exitUnexpected, "the gateway answers with status %d, and not as an admin API does", status)
	}
	if refused.Text == "" {
		return failf(exitUnexpected, "%s", visible(refused.Error))
	}
	fmt.Fprint(p.stderr, refused.Text)
	ds := make(source.Diagnostics, len(refused.Diagnostics))
	for i := range ds {
		ds[i].Code = refused.Diagnostics[i].Code
	}
	return &fail{code: codeOf(ds)}
}
