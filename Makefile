GO     := go
CACHE  := $(CURDIR)/.cache
FUZZ   ?= 20s
MODULES := sdk/go examples/plugins/go bench/peers bench/policy
BENCH  ?=
GATEWAYS ?=
POLICY ?=
OPA    ?=
# Property tests draw from this seed, so that what passes once passes again; make explore draws from others.
export RAPID_SEED ?= 20260728
# Each directory of sdk/ with a Makefile is an SDK whose targets test and tck must pass: sdk-c and so on.
SDKS   := $(patsubst sdk/%/Makefile,sdk-%,$(wildcard sdk/*/Makefile))
# Each directory below with a Makefile is a plugin whose targets test and build must pass: plugins/README.md.
PLUGINS := $(patsubst %/Makefile,%,$(wildcard plugins/*/Makefile examples/plugins/*/Makefile))

.PHONY: help build test race lint fmt fuzz explore bench bench-smoke bench-plugins bench-gateways bench-policy bench-replay bench-activate bench-federation bench-cache soak-swap conformance e2e tools toolchains valkey sdks plugins rego bench-rego generate check vuln $(SDKS) $(PLUGINS)

help: ## list targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-12s %s\n",$$1,$$2}' Makefile

build: ## build the gateway into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

test: ## test everything that needs only Go
	$(GO) test -timeout 30m ./...
	@for m in $(MODULES); do echo "$$m:"; (cd $$m && $(GO) test ./...) || exit 1; done
	@command -v clang-19 >/dev/null || echo "SKIPPED: what is compiled from C needs clang-19 and lld-19; make toolchains installs them, make sdks tests the SDKs"
	@test -x .cache/zig/ziglang/zig || echo "SKIPPED: what is compiled from Zig needs Zig 0.17.1; make toolchains installs it under .cache, make sdks plugins tests it"
	@test -e $(CACHE)/asc/installed.json || echo "SKIPPED: what is compiled from AssemblyScript needs its compiler; make toolchains installs it, make sdks plugins test it"
	@command -v valkey-server >/dev/null || command -v redis-server >/dev/null || echo "SKIPPED: rate limits in Valkey or Redis need one; make valkey installs it"
	@test -n "$$SALLYPORT_PEERS" || echo "SKIPPED: real peers and conformance need Node; make e2e conformance runs them"

# Nothing in engine/wasm/binary runs at once, and the detector makes its drawn modules take minutes.
race: ## test under the race detector
	$(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v /engine/wasm/binary$$)

lint: ## lint
	$(GO) tool -modfile=.ci/tools.mod golangci-lint run ./...
	@for m in $(MODULES); do (cd $$m && $(GO) vet ./...) || exit 1; done

fmt: ## format
	$(GO) tool -modfile=.ci/tools.mod golangci-lint fmt ./...

fuzz: ## run each fuzz target for FUZZ (20s)
	@.ci/fuzz $(FUZZ)

explore: ## draw new values for the property tests, CHECKS (2000) for each; a failure prints the seed that repeats it
	RAPID_SEED=0 RAPID_CHECKS=$(or $(CHECKS),2000) $(GO) test -count=1 -timeout 60m $$($(GO) list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | awk '/pgregory.net\/rapid/{print $$1}')

bench: ## measure the gateway against the bare proxy; BENCH="-enforce" makes a missed target an error
	$(GO) run ./bench/cmd/duel $(BENCH)

bench-smoke: ## check that the measure runs and sees no errors (about a minute, says nothing about speed)
	$(GO) run ./bench/cmd/duel -smoke
	$(GO) run ./bench/cmd/duel -activate -smoke
	$(GO) run ./bench/cmd/duel -federation -smoke
	$(GO) run ./bench/cmd/duel -cache -smoke

soak: ## measure what 10,000 idle connections and streams take, and what 100,000 sessions leave (2 minutes; as many as the descriptors allow)
	SALLYPORT_SOAK=1 $(GO) test -count=1 -v -timeout 10m -run '^TestSoak' ./cmd/sallyport

bench-plugins: ## measure a plugin beside Extism's Go SDK with the same policy
	cd bench/peers && $(GO) test -run '^$$' -bench . -benchtime 3s .

bench-gateways: ## measure the gateway beside three others, which bench/gateways/install puts under .cache (3 minutes); GATEWAYS=-smoke only sees that it runs
	bench/gateways/install $(CACHE)/gateways
	$(GO) run ./bench/cmd/duel -gateways $(CACHE)/gateways -targets direct,bare,sallyport-100,tbxark,mcp-proxy,supergateway -load "1 KiB, c=16" -slice 200ms $(GATEWAYS)

bench-policy: ## measure decisions beside OPA, Cerbos, cedar-go and cel-go (5 minutes); POLICY=-smoke only sees that it runs
	cd bench/policy && $(GO) run . $(POLICY)

conformance: tools ## run the MCP conformance suites directly and through the gateway, and compare
	SALLYPORT_PEERS=$(CACHE) $(GO) test -count=1 -v -timeout 20m -run '^TestConformance' ./internal/e2e

e2e: tools ## run the gateway against the TypeScript client and the reference server
	SALLYPORT_PEERS=$(CACHE) $(GO) test -count=1 -v -timeout 20m -run '^TestPeers' ./internal/e2e

toolchains: ## install the compilers of the other languages: Debian packages, and what .ci/toolchains puts under .cache/
	@.ci/toolchains

valkey: ## install the Debian package redis-server (the program alone is run), for the tests of rate limits that replicas share
	@.ci/valkey

sdks: $(SDKS) ## test the SDKs, and run the TCK on the guest that each builds; needs make toolchains

$(SDKS):
	@$(MAKE) -C sdk/$(@:sdk-%=%) test tck OUT=$(CACHE)/$(@:sdk-%=%)
	SALLYPORT_TCK_GUEST=$(CACHE)/$(@:sdk-%=%)/guest.wasm $(GO) test -count=1 -run TestOtherGuest ./hostapi/tck

plugins: $(PLUGINS) ## test and build the plugins, compare them with what is committed, and measure them; needs make toolchains
	SALLYPORT_PLUGINS=$(CACHE) $(GO) test -count=1 -v -run 'TestPlugins|TestModules' ./plugins

$(PLUGINS):
	@rm -rf $(CACHE)/$@ && mkdir -p $(CACHE)/$@
	@$(MAKE) -C $@ test build OUT=$(CACHE)/$@
	@for m in $(CACHE)/$@/*.wasm; do [ ! -e $@/$$(basename $$m) ] || cmp $$m $@/$$(basename $$m) || { echo "$@: the committed module isn't what its sources make: make -C $@ commit"; exit 1; }; done

rego: ## compare modules of Rego, and what they answer, with OPA itself; OPA=-update writes them anew
	$(GO) test -modfile=.ci/opa.mod -tags opa -count=1 -run 'OPA' ./engine/wasm -args $(OPA)

bench-replay: ## measure how fast recorded decisions are made again
	$(GO) test -count=1 -run '^$$' -bench Replay -benchtime 3s ./internal/replay

soak-swap: ## activate a thousand times during a million calls on a socket, and see that none is lost or mixed (some minutes)
	$(GO) test -count=1 -v -timeout 60m -run TestSwapHammer ./internal/gateway -soak

bench-activate: ## measure what calls notice of 1,000 rules and 6 plugins that are replaced (8 minutes); ACTIVATE=-enforce fails when a goal is missed
	$(GO) run ./bench/cmd/duel -activate -cycles 20 $(ACTIVATE)

bench-federation: ## measure calls and lists of 50 servers as one beside one of them (2 minutes); FEDERATION=-enforce fails when a goal is missed
	$(GO) run ./bench/cmd/duel -federation $(FEDERATION)

bench-cache: ## measure calls that repeat, which a costly plugin decides, with and without the decision cache (2 minutes); REMEMBER=-enforce fails when a goal is missed
	$(GO) run ./bench/cmd/duel -cache $(REMEMBER)

bench-rego: ## measure decisions in Rego against OPA itself
	$(GO) test -modfile=.ci/opa.mod -tags opa -count=1 -run '^$$' -bench Rego ./engine/wasm

tools: ## install Node, the conformance suites, the TypeScript client, the reference server and go-sdk's fixtures into .cache/
	@.ci/tools $(CACHE)

generate: ## regenerate what is generated
	$(GO) generate ./...

vuln: ## look for known vulnerabilities
	$(GO) tool -modfile=.ci/vuln.mod govulncheck ./...

check: generate fmt lint test race ## what to run before sending a change; a dirty tree fails
	@git diff --exit-code
