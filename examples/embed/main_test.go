package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestEmbed(t *testing.T) {
	program := filepath.Join(t.TempDir(), "embed")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct{ tool, args, want string }{
		{"read_file", `{"path":"/srv/project/plan.txt"}`, "allow  \n"},
		{"read_file", `{"path":"/srv/project/.env"}`, "deny dotfile /srv/project/.env is hidden\n"},
		{"read_file", `{"path":"/etc/passwd"}`, "deny no_rule_matched \n"},
		{"drop_table", `{}`, "deny no_rule_matched \n"},
		{"read_file", `{"path":"/srv/project/a","path":"/etc/passwd"}`, "json: duplicate member name at offset 25\n"},
	} {
		out, err := exec.Command(program, "policies", c.tool, c.args).CombinedOutput()
		if string(out) != c.want {
			t.Errorf("%s %s: %q (%v), want %q", c.tool, c.args, out, err, c.want)
		}
	}
}

// The example is as short as it is said to be.
func TestEmbed_isShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n >= 40 {
		t.Errorf("%d lines", n)
	}
}
