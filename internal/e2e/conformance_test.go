package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// legs are the suites that run against a server. The numbers of scenarios are those
// of the pinned versions: a suite that runs less proves less.
var legs = []struct {
	name      string
	pkg       string
	args      []string
	stateless bool
	scenarios int
}{
	{"0.1.16", "conformance-legacy", []string{"--suite", "all"}, false, 32},
	{"2025-11-25", "conformance-modern", []string{"--suite", "all", "--spec-version", "2025-11-25"}, false, 33},
	{"2026-07-28", "conformance-modern", []string{"--suite", "all", "--spec-version", "2026-07-28"}, true, 40},
}

func TestConformanceOfAServerIsTheSameThroughTheGateway(t *testing.T) {
	p := installed(t)
	for _, leg := range legs {
		t.Run(leg.name, func(t *testing.T) {
			run := func(url string) outcome {
				return p.suite(t, leg.pkg, nil, append([]string{"server", "--url", url}, leg.args...)...)
			}
			direct := run(p.conformanceServer(t, leg.stateless))
			if len(direct) != leg.scenarios || direct.bad() != nil {
				t.Fatalf("without the gateway: %d scenarios, want %d; failed: %q", len(direct), leg.scenarios, direct.bad())
			}
			g := startGateway(t, "  everything: { url: "+p.conformanceServer(t, leg.stateless)+" }", allowAll)
			report(t, direct, run(g.url+"/mcp/everything"))
			if n := g.records(t); n < leg.scenarios {
				t.Errorf("the gateway recorded %d decisions in %d scenarios", n, leg.scenarios)
			}
		})
	}
}

// crossLegs are the suites that run against a server of the other era, through a gateway that bridges the two. What the server of
// the suite's own era does directly must be done by the other, but for the scenarios listed here, each with the reason. One that is
// the same all the same must be taken off the list.
var crossLegs = []struct {
	name      string
	stateless bool // the server of the suite's own era; the one behind the gateway is the other
	scenarios int
	fails     map[string]string // what fails, and why
	differs   map[string]string // what does not fail, but is not the same either
}{
	{"2025-11-25", false, 33, map[string]string{
		"tools-call-sampling":          asksByRequest,
		"tools-call-elicitation":       asksByRequest,
		"elicitation-sep1034-defaults": asksByRequest,
		"elicitation-sep1330-enums":    asksByRequest,
	}, map[string]string{
		"server-sse-polling":          "streams that are closed and fetched again have no counterpart in 2026-07-28: there is nothing to look at",
		"server-sse-multiple-streams": answersInJSON,
	}},
	{"2026-07-28", true, 40, map[string]string{
		"input-required-result-basic-elicitation": noKeys,
		"input-required-result-multi-round":       "go-sdk calls a tool's handler at most twice for a client of before 2026-07-28, so the second round never comes",
	}, map[string]string{
		"input-required-result-ignore-extra-params": noKeys,
		"server-sse-multiple-streams":               answersInJSON,
	}},
}

const (
	asksByRequest = "the tool of go-sdk's fixture sends its client a request, which go-sdk refuses to do in 2026-07-28: the server never asks"
	answersInJSON = "an answer that nothing comes before is JSON and no stream of one event; the suite says INFO for that, in the place of SUCCESS"
	noKeys        = "the scenario wants inputRequests to have the key user_name; the requests of servers of before 2026-07-28 have no keys"
)

func TestConformanceOfAServerIsBridgedFromTheOtherEra(t *testing.T) {
	p := installed(t)
	for _, leg := range crossLegs {
		t.Run(leg.name, func(t *testing.T) {
			run := func(url string) outcome {
				return p.suite(t, "conformance-modern", nil, "server", "--url", url, "--suite", "all", "--spec-version", leg.name)
			}
			own := run(p.conformanceServer(t, leg.stateless))
			if len(own) != leg.scenarios || own.bad() != nil {
				t.Fatalf("its own era: %d scenarios, want %d; failed: %q", len(own), leg.scenarios, own.bad())
			}
			g := startGateway(t, "  everything: { url: "+p.conformanceServer(t, !leg.stateless)+", era: auto }", allowAll)
			through := run(g.url + "/mcp/everything")
			differ, failed := map[string]bool{}, map[string]bool{}
			for _, line := range through.bad() {
				scenario, _, _ := strings.Cut(line, ": ")
				failed[scenario] = true
			}
			for _, line := range differences(own, through) {
				scenario, _, _ := strings.Cut(line, ": ")
				differ[scenario] = true
				if leg.fails[scenario] == "" && leg.differs[scenario] == "" {
					t.Error(line)
				}
			}
			for scenario, reason := range leg.fails {
				if !failed[scenario] {
					t.Errorf("%s does not fail any more, though %s", scenario, reason)
				}
			}
			for scenario, reason := range leg.differs {
				if !differ[scenario] || failed[scenario] {
					t.Errorf("%s differs: %v, fails: %v, though %s", scenario, differ[scenario], failed[scenario], reason)
				}
			}
			t.Logf("%d of %d scenarios are the same", leg.scenarios-len(differ), leg.scenarios)
		})
	}
}

// The client suite is a server that judges go-sdk's client. Through the gateway, it
// judges what the gateway sends.
//
// The auth/ scenarios stay out: in them the client logs in to the server that it
// reaches, and a gateway never passes its callers' credentials on.
func TestConformanceOfAClientIsTheSameThroughTheGateway(t *testing.T) {
	p := installed(t)
	sallyport, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for version, scenarios := range map[string]int{"2025-11-25": 5, "2026-07-28": 8} {
		t.Run(version, func(t *testing.T) {
			all := p.suite(t, "conformance-modern", nil, "client", "--command", p.bin("everything-client"), "--suite", "all", "--spec-version", version)
			ran := 0
			for _, name := range all.scenarios() {
				if strings.HasPrefix(name, "auth/") {
					continue
				}
				ran++
				t.Run(name, func(t *testing.T) {
					run := func(command string, env ...string) outcome {
						return p.suite(t, "conformance-modern", env, "client", "--command", command, "--scenario", name, "--spec-version", version)
					}
					records := filepath.Join(t.TempDir(), "records")
					through := run(self, "SALLYPORT_E2E_CLIENT="+p.bin("everything-client"), "SALLYPORT_E2E_GATEWAY="+sallyport, "SALLYPORT_E2E_RECORDS="+records)
					report(t, run(p.bin("everything-client")), through)
					if b, err := os.ReadFile(records); err != nil || len(b) == 0 {
						t.Errorf("the gateway recorded nothing: %v", err)
					}
				})
			}
			if ran != scenarios {
				t.Errorf("%d scenarios beside auth/, want %d", ran, scenarios)
			}
		})
	}
}

func report(t *testing.T, direct, through outcome) {
	t.Helper()
	checks := 0
	for _, c := range direct {
		checks += len(c)
	}
	d := differences(direct, through)
	t.Logf("%d scenarios, %d checks, %d differences", len(direct), checks, len(d))
	for _, line := range d {
		t.Error(line)
	}
}

// TestMain is also the client command that the client suite runs: it gets the URL of
// the suite's server, starts a gateway in front of that, and runs the real client on
// the gateway.
func TestMain(m *testing.M) {
	client := os.Getenv("SALLYPORT_E2E_CLIENT")
	if client == "" {
		code := m.Run()
		os.RemoveAll(builds)
		os.Exit(code)
	}
	if err := clientThroughGateway(client, os.Getenv("SALLYPORT_E2E_GATEWAY"), os.Getenv("SALLYPORT_E2E_RECORDS"), os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func clientThroughGateway(client, sallyport, records, upstream string) error {
	dir, err := os.MkdirTemp("", "sallyport-client-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	listen, err := free()
	if err != nil {
		return err
	}
	admin, err := free()
	if err != nil {
		return err
	}
	g, err := writeConfig(dir, listen, admin, "  suite: { url: "+upstream+" }", allowAll)
	if err != nil {
		return err
	}
	serve := exec.Command(sallyport, "serve", "-c", filepath.Join(dir, "sallyport.yaml"))
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	err = throughGateway(g, listen, client, ended)
	stop(serve, ended)
	if audit, readErr := os.ReadFile(filepath.Join(dir, "audit.jsonl")); readErr == nil { // it is whole when the gateway has ended
		os.WriteFile(records, audit, 0o644)
	}
	return err
}

func throughGateway(g *gateway, listen, client string, ended chan error) error {
	ctx := context.Background()
	if err := waitFor(ctx, listen, ended); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, client, g.url+"/mcp/suite")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
