package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/clients"
)

type connectCommand struct {
	Client string `arg:"" help:"The client: ${clients}."`
	URL    string `placeholder:"URL" help:"The gateway's endpoint. Default: /mcp at the address that the config has."`
	Name   string `default:"sallyport" placeholder:"NAME" help:"What the client calls the gateway. Default: sallyport."`
	KeyEnv string `placeholder:"VARIABLE" help:"The environment variable of the client that holds its key, sent as a bearer token. The key itself is never written."`
	File   string `placeholder:"FILE" help:"The client's file, in place of the one below the home directory: that of a project, for instance."`
	Config string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" default:"sallyport.yaml" help:"The gateway's config, which says where it listens. Default: ./sallyport.yaml."`
	DryRun bool   `help:"Write nothing: show what would change."`
	Undo   bool   `help:"Put back the file as it was, if nobody has changed it since."`
}

func (c connectCommand) Run(p *process) error {
	client, err := clientCalled(c.Client)
	if err != nil {
		return err
	}
	file, err := c.file(p, &client)
	if err != nil {
		return err
	}
	if c.Undo {
		return c.undo(p, file)
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failf(exitUnexpected, "%w", err)
	}
	endpoint, err := c.endpoint(p)
	if err != nil {
		return err
	}
	text, err := client.Connect(file, old, endpoint)
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		return ds
	}
	if err != nil {
		return failf(exitInvalid, "%w", err)
	}
	defer c.sayOthers(p, &client, file, text)
	switch {
	case old != nil && bytes.Equal(old, text):
		fmt.Fprintf(p.stdout, "%s is connected already: %s\n", client.Name, file)
		return nil
	case c.DryRun:
		return showDiff(p.stdout, file, old, text)
	}
	backup, err := change(file, old, text)
	if err != nil {
		return failf(exitUnexpected, "%w", err)
	}
	fmt.Fprintf(p.stdout, "connected %s to %s: %s\nthe file as it was: %s (--undo puts it back)\n", client.Name, endpoint.URL, file, backup)
	return nil
}

// file is the client's file. It need not exist, but its folder must: else the client is not on this machine.
func (c connectCommand) file(p *process, client *clients.Client) (string, error) {
	if c.File != "" {
		return c.File, nil
	}
	w, err := world(p)
	if err != nil {
		return "", err
	}
	files := client.Files(w)
	for _, name := range files {
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	for _, name := range files {
		if _, err := os.Stat(filepath.Dir(name)); err == nil {
			return name, nil
		}
	}
	return "", failf(exitUsage, "%s is not here: there is no folder %s; name its file: --file FILE", client.Name, filepath.Dir(files[0]))
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c connectCommand) endpoint(p *process) (clients.Endpoint, error) {
	e := clients.Endpoint{Name: c.Name, URL: c.URL, KeyVariable: c.KeyEnv}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(c.Name) {
		return e, failf(exitUsage, "--name %q: letters, digits, - and _ only", c.Name)
	}
	if c.KeyEnv != "" && !variableForm.MatchString(c.KeyEnv) {
		return e, failf(exitUsage, "--key-env takes the name of a variable, never the key")
	}
	if c.URL == "" {
		var err error
		if e.URL, err = c.address(p); err != nil {
			return e, err
		}
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return e, failf(exitUsage, "--url: not an http or https URL: %s", e.URL)
	}
	return e, nil
}

// address is where the config says that the gateway is.
func (c connectCommand) address(p *process) (string, error) {
	conf, err := origin{config: c.Config}.readConfig(func(name string) (string, bool) { // which the gateway may have, and this shell not
		if v, ok := p.getenv(name); ok {
			return v, true
		}
		return anything(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", failf(exitUsage, "there is no %s to say where the gateway listens: name it with --config, or give --url", c.Config)
	}
	if err != nil {
		return "", err
	}
	if conf.PublicURL != "" {
		return strings.TrimSuffix(conf.PublicURL, "/") + "/mcp", nil
	}
	host, port, err := net.SplitHostPort(conf.Listen)
	if err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(host); host == "" || port == "0" || err == nil && ip.IsUnspecified() {
		return "", failf(exitUsage, "the config listens on %s, which no client can call: give --url, or a publicURL in the config", conf.Listen)
	}
	scheme := "http"
	if conf.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + conf.Listen + "/mcp", nil
}

// sayOthers warns of servers that the client still reaches by itself.
func (c connectCommand) sayOthers(p *process, client *clients.Client, file string, text []byte) {
	if others := client.Others(file, text, c.Name); len(others) > 0 {
		fmt.Fprintf(p.stderr, "no policy decides on what %s still reaches without the gateway: %s\n", client.Name, strings.Join(others, ", "))
	}
}

func showDiff(w io.Writer, name string, old, text []byte) error {
	_, err := w.Write(diff.Diff(name, old, name+" (new)", text))
	return err
}

// change writes a file anew, and keeps what it was under a name that says what it has become: only that is undone.
func change(file string, old, text []byte) (backup string, err error) {
	backup = backupOf(file, text, old == nil)
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	if err := os.WriteFile(backup, old, mode); err != nil { //nolint:gosec // the file that the user has named, or one beside it
		return "", err
	}
	if old == nil {
		return backup, os.WriteFile(file, text, mode) //nolint:gosec // the file that the user has named, or one beside it
	}
	return backup, replaceFile(file, text)
}

// backupOf is where the file was put that became text. none says that there was no file.
func backupOf(file string, text []byte, none bool) string {
	sum := sha256.Sum256(text)
	kind := ".bak"
	if none {
		kind = ".none"
	}
	return file + ".sallyport-" + hex.EncodeToString(sum[:6]) + kind
}

func (c connectCommand) undo(p *process, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	none := backupOf(file, text, true)
	if _, err := os.Stat(none); err == nil { //nolint:gosec // the file that the user has named, or one beside it
		if c.DryRun {
			return showDiff(p.stdout, file, text, nil)
		}
		fmt.Fprintf(p.stdout, "removed %s, which was not there before\n", file)
		return errors.Join(os.Remove(file), os.Remove(none)) //nolint:gosec // the file that the user has named, or one beside it
	}
	backup := backupOf(file, text, false)
	old, err := os.ReadFile(backup) //nolint:gosec // the file that the user has named, or one beside it
	if errors.Is(err, fs.ErrNotExist) {
		return failf(exitUsage, "%s has changed since it was connected, or never was: there is no %s", file, backup)
	}
	if err != nil {
		return failf(exitUnexpected, "%w", err)
	}
	if c.DryRun {
		return showDiff(p.stdout, file, text, old)
	}
	if err := replaceFile(file, old); err != nil {
		return failf(exitUnexpected, "%w", err)
	}
	fmt.Fprintf(p.stdout, "put back %s\n", file)
	return os.Remove(backup) //nolint:gosec // the file that the user has named, or one beside it
}
