package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// This file is what operators say to a gateway of servers that its config doesn't name.

type serversApprove struct {
	operator `embed:""`
	Name     string `arg:"" help:"The server."`
	Digest   string `placeholder:"SHA256" help:"Approve it only if this is its digest, as 'servers show' prints it. Default: as it is now, which is printed."`
}

// Run has a server serve.
func (c serversApprove) Run(p *process) error {
	token, err := c.token(p)
	if err != nil {
		return err
	}
	digest := c.Digest
	if digest == "" {
		e, err := c.written(p, c.Name, token)
		if err != nil {
			return err
		}
		if digest = e.Digest; digest == "" {
			return failf(exitInvalid, "%s is %s: see 'sallyport servers show %s'", c.Name, e.State, c.Name)
		}
		printDefinition(p.stdout, e)
	}
	e, err := c.say(p, http.MethodPost, c.Name+"/approve", url.Values{"digest": {digest}}, "", nil, token)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is %s: %s\n", e.Name, e.State, e.Digest)
	return nil
}

type serversRevoke struct {
	operator `embed:""`
	Name     string `arg:"" help:"The server."`
}

// Run takes back every approval of a server.
func (c serversRevoke) Run(p *process) error {
	token, err := c.token(p)
	if err != nil {
		return err
	}
	e, err := c.say(p, http.MethodDelete, c.Name+"/approve", nil, "", nil, token)
	switch {
	case err != nil:
		return err
	case e.Name == "":
		fmt.Fprintf(p.stdout, "%s is approved no more; no server of that name is there\n", c.Name)
	default:
		fmt.Fprintf(p.stdout, "%s is %s\n", e.Name, e.State)
	}
	return nil
}

type serversPut struct {
	operator `embed:""`
	Name     string `arg:"" help:"The server."`
	File     string `required:"" placeholder:"FILE" help:"What would stand under its name in servers, as YAML or JSON; - is standard input, as YAML."`
}

// Run puts a server there.
func (c serversPut) Run(p *process) error {
	token, err := c.token(p)
	if err != nil {
		return err
	}
	var text []byte
	if c.File == "-" {
		text, err = io.ReadAll(io.LimitReader(p.stdin, discovery.MaxPut+1))
	} else {
		text, err = os.ReadFile(c.File)
	}
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	kind := "application/yaml"
	if filepath.Ext(c.File) == ".json" {
		kind = "application/json"
	}
	e, err := c.say(p, http.MethodPut, c.Name, nil, kind, text, token)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is %s: %s\n", e.Name, e.State, e.Digest)
	return nil
}

type serversRemove struct {
	operator `embed:""`
	Name     string `arg:"" help:"The server."`
}

// Run removes a server.
func (c serversRemove) Run(p *process) error {
	token, err := c.token(p)
	if err != nil {
		return err
	}
	if _, err := c.say(p, http.MethodDelete, c.Name, nil, "", nil, token); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is removed\n", c.Name)
	return nil
}

// written is a server that was found as it is written.
func (c operator) written(p *process, name, token string) (*admin.Entry, error) {
	return c.say(p, http.MethodGet, name, nil, "", nil, token)
}

// say says something of a server, and gives what the gateway has of it then; nothing, if there is none any more.
func (c operator) say(p *process, method, path string, query url.Values, kind string, body []byte, token string) (*admin.Entry, error) {
	status, text, err := c.sendAs(p, method, "servers/"+path, query, kind, body, token)
	if err != nil {
		return nil, err
	}
	switch status {
	case http.StatusNoContent:
		return &admin.Entry{}, nil
	case http.StatusOK:
		var e admin.Entry
		if err := json.Unmarshal(text, &e); err != nil || e.Name == "" {
			return nil, failf(exitUnexpected, "this is not the answer of a gateway")
		}
		return &e, nil
	}
	return nil, printAnswer(p, status, text)
}

// printWritten prints how a server is written, to operators.
func (c serversShow) printWritten(p *process) error {
	token, err := c.token(p)
	if err != nil { // who has no token is shown what anybody may see
		return nil //nolint:nilerr // likewise
	}
	e, err := c.written(p, c.Name, token)
	if err != nil { // nor whose token is nobody's there
		return nil //nolint:nilerr // likewise
	}
	printDefinition(p.stdout, e)
	return nil
}

// printDefinition prints what an operator approves.
func printDefinition(out io.Writer, e *admin.Entry) {
	var text bytes.Buffer
	if len(e.Definition) == 0 || json.Indent(&text, e.Definition, "", "  ") != nil {
		return
	}
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(out, visible(strings.TrimSuffix(line, "\n")))
	}
}
