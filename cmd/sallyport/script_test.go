package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts have, beside testscript's own commands:
//
//	status CODE PROGRAM ARGS...      runs a program, which must exit with CODE
//	until PATTERN PROGRAM ARGS...    runs a program until what it prints matches
//	action CODE [INPUT=VALUE...]     runs the steps of the composite action, the last of which must exit with CODE
//	signal HUP|TERM                  sends it to the gateways in the background
//	certificate CERT KEY             writes a certificate for 127.0.0.1, and its key
//	call NAME BODY [HEADER...]       posts BODY to the gateway, at /mcp or /mcp/NAME ("-" is /mcp)
//	modern NAME METHOD [TARGET PARAMS]   posts a request of 2026-07-28 there, with the headers that mirror it
//
// and $DATA, $ADMIN and $UPSTREAM, three free addresses; $TCK_GUEST is a plugin, $PLUGINS has those that come with Sallyport, and $REPOSITORY is all of it.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts gateways and servers")
	}
	programs := buildPrograms(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TCK_GUEST", absolute(t, "../../hostapi/tck/testdata/guest.wasm"))
			e.Setenv("PLUGINS", absolute(t, "../../plugins"))
			e.Setenv("REPOSITORY", absolute(t, "../.."))
			e.Setenv("REDACT_SECRETS", absolute(t, "../../plugins/redact-secrets/redact-secrets.wasm"))
			for _, name := range []string{"DATA", "ADMIN", "UPSTREAM"} {
				e.Setenv(name, fmt.Sprint("127.0.0.1:", freePort(t)))
			}
			e.Setenv("PATH", programs+":"+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus, "action": scriptAction, "until": scriptUntil, "signal": scriptSignal, "call": scriptCall,
			"certificate": scriptCertificate, "modern": scriptModern,
		},
		UpdateScripts: *update,
	})
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARGS...")
	}
	pattern := regexp.MustCompile(args[0])
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // what it prints counts
		if pattern.MatchString(ts.ReadFile("stdout") + ts.ReadFile("stderr")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v never prints %s", args[1:], args[0])
		}
	}
}

func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM")
	}
	for _, c := range ts.BackgroundCmds() {
		if strings.Contains(strings.Join(c.Args, " "), "sallyport") {
			ts.Check(c.Process.Signal(signals[args[0]]))
		}
	}
}

func scriptCall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: call NAME BODY HEADER...")
	}
	url := "http://" + ts.Getenv("DATA") + "/mcp"
	if args[0] != "-" {
		url += "/" + args[0]
	}
	curl := []string{"-s", url, "-w", `\n`, "-H", "Accept: application/json, text/event-stream", "--json", args[1]}
	for _, h := range args[2:] {
		curl = append(curl, "-H", h)
	}
	ts.Check(ts.Exec("curl", curl...))
}

func scriptModern(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) == 3 {
		ts.Fatalf("usage: modern NAME METHOD [TARGET PARAMS HEADER...]")
	}
	params, headers := "", []string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " + args[1]}
	if len(args) > 3 {
		headers = append(headers, args[4:]...)
		if args[2] != "-" {
			params, headers = args[3]+",", append(headers, "Mcp-Name: "+args[2])
		}
	}
	scriptCall(ts, false, append([]string{args[0], `{"jsonrpc":"2.0","id":1,"method":"` + args[1] + `","params":{` + params +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`}, headers...))
}

func scriptCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, b := range map[string]*pem.Block{args[0]: {Type: "CERTIFICATE", Bytes: der}, args[1]: {Type: "PRIVATE KEY", Bytes: private}} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(b), 0o600))
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	full, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return full
}
