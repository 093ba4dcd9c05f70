package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/source"
)

type bundleCommand struct {
	Init    bundleInit    `cmd:"" help:"Write the bundle.yaml of a directory of policies."`
	Build   bundleBuild   `cmd:"" help:"Pack a directory into one file, after its policies compile and its cases pass."`
	Sign    bundleSign    `cmd:"" help:"Add a signature to a bundle."`
	Verify  bundleVerify  `cmd:"" help:"Say whether a bundle is whole, signed by those whom one trusts, and not expired."`
	Inspect bundleInspect `cmd:"" help:"Say what is in a bundle, without saying who made it."`
	Diff    diffCommand   `cmd:"" help:"Say in what two bundles differ: sallyport diff."`
	Push    bundlePush    `cmd:"" help:"Put a bundle into a registry of OCI artifacts."`
	Pull    bundlePull    `cmd:"" help:"Fetch a bundle from a registry or a web server, and verify it."`
	Key     bundleKey     `cmd:"" help:"Work with keys that sign."`

	Activate bundleActivate `cmd:"" help:"Have a gateway that runs decide by a bundle."`
	Promote  bundlePromote  `cmd:"" help:"Have a gateway that runs decide by its candidate."`
	Withdraw bundleWithdraw `cmd:"" help:"Have a gateway that runs try its candidate no more."`
	Rollback bundleRollback `cmd:"" help:"Have a gateway that runs go back to the bundle that was active before."`
}

type bundleInit struct {
	Dir  string `arg:"" help:"The directory; it is made if there is none."`
	Name string `help:"What the bundle is called. Default: the directory's name."`
}

func (c bundleInit) Run(p *process) error {
	if c.Name == "" {
		dir, err := filepath.Abs(c.Dir)
		if err != nil {
			return err
		}
		c.Name = filepath.Base(dir)
	}
	file, err := bundle.Init(c.Dir, c.Name)
	switch {
	case errors.Is(err, fs.ErrExist):
		return failf(exitUsage, "%s: there is a bundle.yaml already, which stays as it is", c.Dir)
	case err != nil:
		return failf(exitUsage, "%w", err)
	}
	fmt.Fprintln(p.stdout, "written:", file)
	return nil
}

type bundleBuild struct {
	Dir     string `arg:"" help:"The directory, with a bundle.yaml."`
	File    string `short:"o" name:"output" required:"" placeholder:"FILE" help:"The archive to write, FILE.tar.gz."`
	Version int64  `placeholder:"N" help:"The version, in place of that in bundle.yaml."`
}

func (c bundleBuild) Run(p *process) error {
	if !bundle.IsArchive(c.File) {
		return failf(exitUsage, "%s: an archive ends in .tar.gz or .tgz", c.File)
	}
	if c.Version < 0 {
		return failf(exitUsage, "--version: a version is 1 or more")
	}
	a, err := bundle.Build(c.Dir, c.Version)
	switch {
	case errors.Is(err, bundle.ErrNoPolicy):
		return failf(exitInvalid, "%s: %w", c.Dir, err)
	case err != nil:
		return orInvalid(err)
	}
	set, err := a.Bundle()
	if err != nil {
		return orInvalid(err)
	}
	s, done, err := compileOnce(p.ctx, set, engine.Options{})
	if done != nil {
		defer done()
	}
	if err != nil {
		return orInvalid(err)
	}
	if ds := s.Warnings(); len(ds) > 0 {
		ds.WriteText(p.stderr, readText, colors(*p), maxDiagnostics) //nolint:errcheck // there is nowhere else to say it
	}
	passed, err := prove(p.ctx, set, proving, enginetest.Options{Previous: s})
	if err != nil {
		return err
	}
	if err := bundle.WriteFile(c.File, a.Data(), 0o644); err != nil {
		return err
	}
	if a.Manifest.Expired(p.now()) {
		fmt.Fprintf(p.stderr, "the bundle has expired at %s: no gateway will take it\n", a.Manifest.Expires)
	}
	fmt.Fprintf(p.stdout, "built: %s %d, %d files, %d cases passed, %s\n", a.Manifest.Name, a.Manifest.Version, len(a.Manifest.Files), passed, a.Revision)
	return nil
}

// orInvalid gives an error that isn't made of diagnostics the exit code of bad input.
func orInvalid(err error) error {
	if _, ok := errors.AsType[source.Diagnostics](err); ok {
		return err
	}
	return &fail{code: exitInvalid, err: err}
}

// orUsage gives an error that isn't made of diagnostics the exit code of a mistake on the command line.
func orUsage(err error) error {
	if _, ok := errors.AsType[source.Diagnostics](err); ok {
		return err
	}
	return &fail{code: exitUsage, err: err}
}

// proving bounds the time that the cases of a bundle take: a gateway activates nothing else meanwhile.
const proving = time.Minute

// prove runs the cases that lie in a bundle. A bundle may have none.
func prove(ctx context.Context, set *bundle.Bundle, limit time.Duration, o enginetest.Options) (passed int, err error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(whole, limit)
	defer cancel()
	report, err := enginetest.RunBundle(ctx, set, o)
	if errors.Is(err, enginetest.ErrNoCases) {
		return 0, nil
	}
	if ctx.Err() != nil && whole.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return 0, source.Diagnostics{source.Pos{}.Diagnose("SP8024", fmt.Sprintf("the cases of the bundle take longer than %s", limit), "split or remove some, the large matrixes first")}
	}
	if err != nil {
		return 0, err
	}
	var ds source.Diagnostics
	for _, r := range report.Cases {
		for _, d := range r.Differences {
			at := source.Pos{File: r.File, Line: r.Line, Column: 1, Width: 1}
			ds = append(ds, at.Diagnose("SP8023", fmt.Sprintf("the case `%s` fails: %s is %s, and not %s", source.Brief(r.Name), d.What, d.Got, d.Want), "mend the policy or the case; `sallyport test` says more"))
		}
	}
	return report.Passed, ds.Err()
}

type bundleSign struct {
	File string `arg:"" help:"The archive. It is replaced."`
	Key  string `required:"" placeholder:"PEM" help:"The private key: Ed25519 or P-256, PKCS #8 in PEM."`
}

func (c bundleSign) Run(p *process) error {
	a, err := readArchive(c.File)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	key, err := bundle.ParsePrivateKey(text)
	if err != nil {
		return failf(exitUsage, "%s: %w", c.Key, err)
	}
	id, err := bundle.KeyID(key.Public())
	if err != nil {
		return failf(exitUsage, "%s: %w", c.Key, err)
	}
	data, err := a.Sign(key)
	if err != nil {
		return err
	}
	if err := bundle.WriteFile(c.File, data, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "signed: %s %d by %s\n", a.Manifest.Name, a.Manifest.Version, id)
	return nil
}

// readArchive tells an archive that is refused from a path that can't be read.
func readArchive(name string) (*bundle.Archive, error) {
	a, err := bundle.ReadArchive(name)
	if _, refused := errors.AsType[source.Diagnostics](err); err == nil || refused {
		return a, err
	}
	return nil, noArchive(name, err)
}

// noArchive says why there is no archive to be read at a path.
func noArchive(name string, err error) error {
	if info, stat := os.Stat(name); stat == nil && info.IsDir() {
		return failf(exitUsage, "%s is a directory, and a bundle is one file: `sallyport bundle build %s -o FILE.tar.gz` makes it", name, name)
	}
	return failf(exitUsage, "%w", err)
}

type bundleVerify struct {
	File     string `arg:"" help:"The archive."`
	Trust    string `required:"" placeholder:"FILE" help:"A trust file, or a public key in PEM."`
	Audience string `placeholder:"NAME" help:"The gateway that it is to be for."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

func (c bundleVerify) Run(p *process) error {
	trust, err := readTrust(c.Trust)
	if err != nil {
		return err
	}
	data, err := bundle.ReadPacked(c.File)
	if err != nil {
		return noArchive(c.File, err)
	}
	v, _ := buildVersion()
	a, by, err := admit(c.File, data, trust, bundle.Terms{Now: p.now(), Sallyport: v, Audience: c.Audience})
	if c.Output == "text" && err == nil {
		fmt.Fprintf(p.stdout, "ok: %s %d, %s, signed by %s\n", a.Manifest.Name, a.Manifest.Version, a.Revision, strings.Join(namesOf(by), ", "))
	}
	if c.Output == "text" {
		return err
	}
	ds, refused := errors.AsType[source.Diagnostics](err)
	if err != nil && !refused {
		return err
	}
	out := verified{OK: err == nil, SignedBy: namesOf(by), Diagnostics: ds}
	if err == nil {
		out.Manifest, out.Revision = a.Manifest, a.Revision
	}
	if err := writeJSON(p.stdout, out); err != nil || !refused {
		return err
	}
	return &fail{code: codeOf(ds)}
}

// verified is what `bundle verify` and `bundle inspect` say in JSON.
type verified struct {
	OK          bool               `json:"ok"`
	Revision    string             `json:"revision,omitempty"`
	SignedBy    []string           `json:"signedBy"`
	Manifest    *bundle.Manifest   `json:"manifest,omitempty"`
	Diagnostics source.Diagnostics `json:"diagnostics,omitempty"`
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func namesOf(keys []bundle.TrustedKey) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

// readTrust tells a trust file with mistakes from a path that can't be read.
func readTrust(name string) (*bundle.Trust, error) {
	t, err := bundle.ReadTrust(name)
	if _, mistakes := errors.AsType[source.Diagnostics](err); err == nil || mistakes {
		return t, err
	}
	return nil, failf(exitUsage, "%w", err)
}

// admit reads an archive that is signed by those whom one trusts and meant for this gateway. Without a trust anybody may have made it.
func admit(name string, data []byte, trust *bundle.Trust, terms bundle.Terms) (a *bundle.Archive, by []bundle.TrustedKey, err error) {
	if trust == nil {
		a, err = bundle.ParseArchive(name, data)
	} else {
		a, by, err = trust.ParseArchive(name, data, terms.Now)
		terms.Bundle = trust.Bundle
	}
	if err != nil {
		return nil, nil, err
	}
	if err := a.Admit(terms); err != nil {
		return nil, nil, err
	}
	return a, by, nil
}

type bundleInspect struct {
	File   string `arg:"" help:"The archive."`
	Output string `short:"o" enum:"text,json" default:"text" help:"How to say it: text or json."`
}

func (c bundleInspect) Run(p *process) error {
	a, err := readArchive(c.File)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return writeJSON(p.stdout, verified{OK: true, Revision: a.Revision, SignedBy: append([]string{}, a.Signers()...), Manifest: a.Manifest})
	}
	m := a.Manifest
	for _, line := range [][2]string{
		{"name", m.Name},
		{"version", fmt.Sprint(m.Version)},
		{"revision", a.Revision},
		{"audience", strings.Join(m.Audience, ", ")},
		{"expires", m.Expires},
		{"sallyport", prefixed("at least ", m.Sallyport)},
		{"environment", m.Environment},
		{"signatures", fmt.Sprintf("%d, not verified", len(a.Signers()))},
	} {
		if line[1] != "" {
			fmt.Fprintf(p.stdout, "%-12s %s\n", line[0], line[1])
		}
	}
	for _, f := range m.Files {
		fmt.Fprintf(p.stdout, "%8d  %s  %s\n", f.Size, f.Digest, f.Name)
	}
	return nil
}

// visible writes as escapes what a terminal obeys or doesn't show: a change must not hide itself from whoever looks for it.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

type bundleKey struct {
	New bundleKeyNew `cmd:"" help:"Make an Ed25519 key: FILE, which signs, and FILE.pub, which others trust."`
}

type bundleKeyNew struct {
	File string `arg:"" help:"Where the private key goes. Nothing is overwritten."`
}

func (c bundleKeyNew) Run(p *process) error {
	private, public, err := bundle.NewKey()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{{c.File, private, 0o600}, {c.File + ".pub", public, 0o644}} {
		to, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err != nil {
			return failf(exitUsage, "%w", err)
		}
		_, err = to.Write(f.text)
		if err := errors.Join(err, to.Close()); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout, "written: %s, which signs: keep it secret; %s.pub, which others trust\n", c.File, c.File)
	return nil
}
