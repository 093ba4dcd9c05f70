package toolchain

import (
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/sdk"
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
	// A plugin has the SDK beside it, or gets the one that this program carries.
	include := filepath.Join("sdk", "include")
	if _, err := os.Stat(filepath.Join(j.dir, include)); err != nil {
		include = filepath.Join(j.temp, "sdk", "include")
		if err := unpack(sdk.Files("c"), filepath.Join(j.temp, "sdk")); err != nil {
			return err
		}
	}
	return j.run(nil, program, append(append(args, "-I", include), sources...)...)
}
