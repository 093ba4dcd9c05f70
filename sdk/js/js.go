// Package js makes plugins of scripts. It compiles one with QuickJS, which is itself a module
// that runs in engine/wasm, and puts what comes of it into a copy of QuickJS without a parser:
// nothing has to be installed. The SDK that scripts are written with is beside it: README.md.
package js

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// The engine of plugins, the compiler, and what runs in front of every script. engine/build
// makes the first two.
var (
	//go:embed engine/quickjs.wasm
	engine []byte
	//go:embed engine/compiler.wasm
	compiler []byte
	//go:embed abi.js
	abi string
	//go:embed sallyport.js
	sdk string
)

// Script is what a plugin is made of.
type Script struct {
	// File is its name in messages, without a directory; empty is plugin.js.
	File   string
	Source []byte
	// Manifest is JSON; empty takes the member manifest of what the script exports.
	Manifest []byte
	// CacheDir keeps the compiled compiler, as wasm.Options.CacheDir does; empty compiles it
	// anew, which takes a second.
	CacheDir string
}

// Error is what is wrong with a script or its manifest.
type Error struct {
	File         string
	Line, Column int // from 1; 0 if the place is not known
	Message      string
}

// Error returns the place and the message.
func (e *Error) Error() string {
	at := e.File
	if e.Line > 0 {
		at += ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column)
	}
	return at + ": " + e.Message
}

// Build makes a plugin of a script that is called plugin.js.
func Build(source, manifest []byte) ([]byte, error) {
	return Script{Source: source, Manifest: manifest}.Build(context.Background())
}

// Build makes a plugin of a script: the same bytes of the same script, manifest and version of
// this package. What is wrong with the script is an *Error, what is wrong with the manifest a
// *hostapi.ManifestError, and what else a host would refuse wasm.LoadErrors.
func (s Script) Build(ctx context.Context) ([]byte, error) {
	if s.File == "" {
		s.File = "plugin.js"
	}
	if err := s.checkText(); err != nil {
		return nil, err
	}
	if len(s.Manifest) > 0 {
		if _, err := hostapi.ParseManifest(s.Manifest); err != nil {
			return nil, err
		}
	}
	made, err := s.compile(ctx)
	if err != nil {
		return nil, err
	}
	m, err := hostapi.ParseManifest(made.manifest)
	if err != nil {
		return nil, err
	}
	module, err := assemble(made, m.Hooks)
	if err != nil {
		return nil, err
	}
	if _, err := wasm.Inspect(module); err != nil {
		return nil, err
	}
	return module, nil
}

// checkText refuses a source that isn't UTF-8.
func (s Script) checkText() error {
	if utf8.Valid(s.Source) {
		return nil
	}
	line, column := 1, 1
	for b := s.Source; ; {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return &Error{s.File, line, column, "the script is not UTF-8"}
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		b = b[n:]
	}
}

// compiled is what the compiler makes of a script.
type compiled struct{ abi, sdk, script, manifest []byte }

// compile has the compiler judge a call whose arguments are the sources.
func (s Script) compile(ctx context.Context) (*compiled, error) {
	host, err := wasm.New(wasm.Options{CacheDir: s.CacheDir, MaxPages: hostapi.LimitPages}) //nolint:contextcheck // it waits for nothing
	if err != nil {
		return nil, err
	}
	defer func() { _ = host.Close() }() //nolint:contextcheck // frees, whatever became of ctx
	p, err := host.Load(ctx, compiler, wasm.Config{MaxInstances: 1})
	if err != nil {
		return nil, fmt.Errorf("the compiler of scripts: %w", err)
	}
	defer p.Close() //nolint:contextcheck // frees, whatever became of ctx
	var doc jsonscan.Doc
	if err := doc.Scan(s.call(), jsonscan.Options{}); err != nil {
		return nil, fmt.Errorf("%s: %w", s.File, err)
	}
	var result wasm.Result
	p.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: &wasm.Message{Method: "tools/call", Params: doc.Root()}}, &result)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case result.Failure.Type != "":
		return nil, &Error{File: s.File, Message: "the script can't be compiled: " + string(result.Failure.Type) + ": " + result.Failure.Text}
	case result.Verdict() != hostapi.VerdictMutate || len(result.Edits) != 1:
		return nil, s.refused(&result)
	}
	return take(result.Edits[0].JSON)
}

func (s Script) call() []byte {
	b := []byte(`{"name":"compile","arguments":{`)
	for i, member := range [][2]string{{"abi", abi}, {"file", s.File}, {"manifest", string(s.Manifest)}, {"script", string(s.Source)}, {"sdk", sdk}} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendQuote(b, member[0]), ':')
		b = jsonscan.AppendQuote(b, member[1])
	}
	return append(b, "}}"...)
}

// refused makes an error of what the compiler says, with the first place of the script that
// the stack names.
func (s Script) refused(r *wasm.Result) error {
	e := &Error{File: s.File, Message: r.Message}
	for _, n := range r.Notes {
		if n.Key != "stack" {
			continue
		}
		at := regexp.MustCompile(`(?m)(?:^    at |\()` + regexp.QuoteMeta(s.File) + `:(\d+):(\d+)\)?$`).FindStringSubmatch(n.Text)
		if at == nil {
			continue
		}
		e.Line, _ = strconv.Atoi(at[1])
		e.Column, _ = strconv.Atoi(at[2])
	}
	return e
}

func take(json []byte) (*compiled, error) {
	var doc jsonscan.Doc
	if err := doc.Scan(json, jsonscan.Options{}); err != nil {
		return nil, err
	}
	made := &compiled{manifest: []byte(doc.Root().Get("manifest").Text())}
	var errs [3]error
	code := func(name string) (b []byte, err error) {
		return base64.StdEncoding.DecodeString(strings.Clone(doc.Root().Get(name).Text()))
	}
	made.abi, errs[0] = code("abi")
	made.sdk, errs[1] = code("sdk")
	made.script, errs[2] = code("script")
	return made, errors.Join(errs[:]...)
}
