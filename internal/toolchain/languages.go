package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/sdk/js"
)

// This file has the commands of the SDKs' documents, with what makes them give the same bytes everywhere.

func buildGo(j *job) error {
	program, err := first("install Go 1.26 or later, as https://go.dev/doc/install says", "go")
	if err != nil {
		return err
	}
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "GOWASM=", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0"}
	return j.run(env, program, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", j.out, ".")
}

func buildC(j *job) error {
	const install = "apt-get install -y clang-19 lld-19"
	program, err := first(install, "clang-19", "clang")
	if err != nil {
		return err
	}
	if _, err := first(install, "wasm-ld-19", "wasm-ld"); err != nil {
		return err
	}
	sources, err := j.sources("*.c", "*_test.c")
	if err != nil {
		return err
	}
	args := []string{
		"--target=wasm32", "-std=c11", "-Oz", "-ffreestanding", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-Wl,--stack-first",
		"-Wl,-z,stack-size=8192", "-Wl,--strip-all", "-Wl,--keep-section=sallyport.manifest", "-ffile-prefix-map=" + j.dir + "=.", "-o", j.out,
	}
	include, err := j.sdk("c", "include")
	if err != nil {
		return err
	}
	return j.run(nil, program, append(append(args, "-I", filepath.Join(include, "include")), sources...)...)
}

// buildRust needs no cargo: the bytes then depend on rustc alone.
func buildRust(j *job) error {
	cfg, err := j.cargo()
	if err != nil {
		return err
	}
	root, err := j.root("*.rs", "*_test.rs", filepath.Join("src", "lib.rs"), "plugin.rs")
	if err != nil {
		return err
	}
	program, err := rustc(j)
	if err != nil {
		return err
	}
	from, err := j.sdk("rust", "src")
	if err != nil {
		return err
	}
	args := append([]string{
		"--edition", "2021", "--target", rustTarget, "-C", "opt-level=s", "-C", "panic=abort", "-C", "codegen-units=1",
		"--remap-path-prefix=" + j.dir + "=.", "--remap-path-prefix=" + j.temp + "=.",
	}, cfg...)
	library := filepath.Join(j.temp, "libsallyport.rlib")
	err = j.run(nil, program, append(slices.Clone(args), "--crate-type", "rlib", "--crate-name", "sallyport", filepath.Join(from, "src", "lib.rs"), "-o", library)...)
	if err != nil {
		return err
	}
	err = j.run(nil, program, append(args, "--crate-type", "cdylib", "--crate-name", "plugin", "-C", "lto", "-C", "strip=symbols",
		"-C", "link-arg=-zstack-size=16384", "--extern", "sallyport="+library, root, "-o", j.out)...)
	if failed, ok := errors.AsType[*BuildError](err); ok && strings.Contains(failed.Output, "linker `rust-lld` not found") {
		return &MissingError{Program: "rust-lld", Install: installRust}
	}
	return err
}

const (
	rustTarget  = "wasm32-unknown-unknown"
	installRust = "rustup target add " + rustTarget + ", or apt-get install -y rustc libstd-rust-dev-wasm32 lld-14"
)

// rustc finds a compiler that has the library of Wasm: of two that are installed, only one may.
func rustc(j *job) (string, error) {
	for _, name := range []string{"rustc", "/usr/bin/rustc"} {
		out, err := exec.CommandContext(j.ctx, name, "--print", "target-libdir", "--target", rustTarget).Output() //nolint:gosec // a compiler
		if err != nil {
			continue
		}
		if libraries, err := os.ReadDir(strings.TrimSpace(string(out))); err == nil && len(libraries) > 0 {
			return name, nil
		}
	}
	return "", &MissingError{
		Program: "a rustc with its library for " + rustTarget,
		Install: installRust,
	}
}

// cargo says how the SDK is to be compiled, and refuses what only cargo could build.
func (j *job) cargo() (cfg []string, err error) {
	text, err := os.ReadFile(filepath.Join(j.dir, "Cargo.toml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		needs := strings.Contains(section, "dependencies") && !strings.HasPrefix(section, "[dev-")
		switch {
		case !needs || strings.HasPrefix(line, "#") || !ok && line != section:
		case line == section && section != "[dependencies]" && section != "[dependencies.sallyport]", ok && section == "[dependencies]" && name != "sallyport":
			return nil, fmt.Errorf("what Cargo.toml needs is more than the SDK (%s): build the plugin with cargo, and check it with `sallyport plugin inspect`", line)
		case strings.Contains(value, `"std"`):
			cfg = []string{"--cfg", `feature="std"`}
		}
	}
	return cfg, err
}

func buildZig(j *job) error {
	root, err := j.root("*.zig", "*_test.zig", "plugin.zig")
	if err != nil {
		return err
	}
	from, err := j.sdk("zig", "src")
	if err != nil {
		return err
	}
	args := []string{
		"build-exe", "-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "--stack", "8192", "-O", "ReleaseSmall", "-fstrip",
		"--cache-dir", filepath.Join(j.temp, "cache"), "--dep", "sallyport", "-Mroot=" + root,
		"-Msallyport=" + filepath.Join(from, "src", "sallyport.zig"), "-femit-bin=" + j.out,
	}
	const install = "pip install ziglang==0.17.1"
	program, err := first(install, "zig")
	if err == nil {
		return j.run(nil, program, args...)
	}
	if python, found := first(install, "python3"); found == nil && exec.CommandContext(j.ctx, python, "-c", "import ziglang").Run() == nil { //nolint:gosec // as it was found
		return j.run(nil, python, append([]string{"-m", "ziglang"}, args...)...)
	}
	return err
}

func buildAssemblyScript(j *job) error {
	program, err := first("apt-get install -y nodejs npm", "node")
	if err != nil {
		return err
	}
	compiler := filepath.Join("node_modules", "assemblyscript", "bin", "asc.js")
	if _, err := os.Stat(filepath.Join(j.dir, compiler)); err != nil {
		return &MissingError{Program: "the compiler of AssemblyScript", Install: "npm install, in " + j.dir}
	}
	return j.run(nil, program, compiler, "--config", "asconfig.json", "--outFile", j.out)
}

// buildJS needs no compiler but the one that this program has.
func buildJS(j *job) error {
	root, err := j.root("*.js", "*.test.js", "plugin.js")
	if err != nil {
		return err
	}
	script := js.Script{File: root}
	if script.Source, err = os.ReadFile(filepath.Join(j.dir, root)); err != nil {
		return err
	}
	script.Manifest, err = os.ReadFile(filepath.Join(j.dir, manifestFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	module, err := script.Build(j.ctx)
	if wrong, ok := errors.AsType[*hostapi.ManifestError](err); ok {
		where := root // whose member manifest it is
		if len(script.Manifest) > 0 {
			where = manifestFile
		}
		return fmt.Errorf("%s: %w", where, wrong)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(j.out, module, 0o600)
}

// Compiler says which compiler builds plugins in a language here, as it says itself; empty if there is none, or if the plugin brings it.
func Compiler(ctx context.Context, language string) string {
	var program string
	var err error
	args := []string{"--version"}
	switch language {
	case "go":
		program, err = first("", "go")
		args = []string{"version"}
	case "rust":
		program, err = rustc(&job{ctx: ctx})
	case "zig":
		program, err = first("", "zig")
		args = []string{"version"}
	case "c":
		program, err = first("", "clang-19", "clang")
	}
	if err != nil || program == "" {
		return ""
	}
	out, _ := exec.CommandContext(ctx, program, args...).Output() //nolint:gosec // a compiler
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
