package audit

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

const canary = "CANARYcanary0123456789CANARYcanary0123456789"

// secrets are texts that each hold the canary in a shape that must be recognised.
var secrets = []string{
	"eyJ" + canary + ".eyJ" + canary + "." + canary,
	"key sk-" + canary + " was refused",
	"sk-proj-" + canary,
	"ghp_" + canary, "gho_" + canary, "ghu_" + canary, "ghs_" + canary, "ghr_" + canary, "github_pat_" + canary,
	"xoxb-" + canary, "xoxa-" + canary, "xoxp-" + canary, "glpat-" + canary, "sk_live_" + canary,
	"id AKIA" + canary, "ASIA" + canary, "AIza" + canary,
	"-----BEGIN RSA PRIVATE KEY-----\n" + canary + "\n-----END RSA PRIVATE KEY-----\n",
	"-----BEGIN PRIVATE KEY-----\n" + canary,
	"Authorization: Bearer " + canary, "bearer  " + canary, "Basic " + canary + "=",
	"Cookie: a=" + canary + "; b=" + canary, "x-api-key:" + canary, "Set-Cookie: sid=" + canary,
	"dial https://user:" + canary + "@host/path: refused", "https://" + canary + "@host", "postgres://u:p@" + canary + "@h/db",
	"?access_token=" + canary + "&x=1", "password=" + canary, `api_key="` + canary + ` with spaces"`, "client-secret=" + canary,
}

func TestSecretsAreFoundInText(t *testing.T) {
	for _, s := range secrets {
		if got := (Masker{}).Text(s); strings.Contains(got, canary) || !strings.Contains(got, Redacted) {
			t.Errorf("Text(%q) = %q", s, got)
		}
		got, masked := Masker{}.appendString(nil, s, MaxText)
		if bytes.Contains(got, []byte(canary)) || !masked {
			t.Errorf("appendString(%q) = %s, %v", s, got, masked)
		}
	}
}

func TestTextMasksNothingButTheSecret(t *testing.T) {
	tests := []struct{ in, want string }{
		{"get https://bob:pw@host/x?token=abc&n=1 now", "get https://[redacted]@host/x?token=[redacted]&n=1 now"},
		{"Authorization: Bearer abc\nHost: x", "Authorization:[redacted]\nHost: x"},
		{"a ghp_0123456789abcdef, b ghp_0123456789abcdef.", "a [redacted], b [redacted]"},
		{"x -----BEGIN PRIVATE KEY-----\nk\n-----END PRIVATE KEY----- y", "x [redacted] y"},
	}
	for _, tt := range tests {
		if got := (Masker{}).Text(tt.in); got != tt.want {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestOrdinaryTextIsLeftAlone(t *testing.T) {
	tests := []string{
		"", "read_file", "task-list-of-things-to-do-soon", "https://host:8080/a/b?c=d", "no such key: token", "max_tokens=5",
		`Bearer error="invalid_token"`, "Basic authentication is not used", "the bearer token expired", "2026-07-28",
		"-----BEGIN CERTIFICATE-----", "I am fine", "eyJ", "KJV", "mailto:a@b", "x = y", "sk-learn", "JSON", "AKIA",
		"progressToken=5", "file:///srv/project/README.md",
	}
	for _, s := range tests {
		if got := (Masker{}).Text(s); got != s {
			t.Errorf("Text(%q) = %q", s, got)
		}
	}
}

func TestSecretNames(t *testing.T) {
	m := NewMasker("X-Tenant-Seed")
	tests := []struct {
		name string
		want bool
	}{
		{"password", true},
		{"db_passwd", true},
		{"PassPhrase", true},
		{"client-secret", true},
		{"API_KEY", true},
		{"apiKey", true},
		{"access_token", true},
		{"token", true},
		{"Authorization", true},
		{"Set-Cookie", true},
		{"private_key", true},
		{"aws_secret_access_key", true},
		{"args.credentials", true},
		{"auth", true},
		{"jwt", true},
		{"x_tenant_seed", true},
		{strings.Repeat("a", 300) + "_password", true},
		{"path", false},
		{"max_tokens", false},
		{"tokenizer", false},
		{"progressToken", false},
		{"author", false},
		{"jwt.sub", false},
		{"key", false},
		{"", false},
		{"passage", false},
	}
	for _, tt := range tests {
		if got := m.Secret(tt.name); got != tt.want {
			t.Errorf("Secret(%q) = %v, want %v", tt.name, got, tt.want)
		}
	}
	if (Masker{}).Secret("x_tenant_seed") {
		t.Error("the zero Masker knows a configured name")
	}
}

func TestNoCanaryInAnyRecordOrLog(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, LogOptions{Level: slog.LevelDebug}).With(slog.String("api_key", canary)).WithGroup("g")
	text := NewLogger(&out, LogOptions{Text: true})
	for _, s := range secrets {
		r := &Record{
			Kind: Refusal, Time: at, Tool: s, Resource: s, Prompt: s, Method: s, Message: s, Cause: s, PrincipalID: s, ProtocolVersion: s, TraceID: s,
			Inputs: []Input{{"args", quoted(t, map[string]string{"x": s, "password": canary, s: "v"})}, {"header.authorization", quoted(t, map[string]string{"a": canary})}},
		}
		out.WriteString(line(r))
		log.Info(s, slog.String("detail", s), slog.String("password", canary), slog.Any("error", errors.New(s))) //nolint:sloglint // the message is what is tried
		text.Warn(s, slog.String("detail", s), slog.Group("h", slog.String("cookie", canary)))                   //nolint:sloglint // the message is what is tried
		_, _ = Masker{}.Writer(&out).Write([]byte("panic: " + s))
	}
	if i := bytes.Index(out.Bytes(), []byte(canary)); i >= 0 {
		t.Errorf("the canary got out: %s", out.Bytes()[max(0, i-120):i+10])
	}
	if n := bytes.Count(out.Bytes(), []byte(Redacted)); n < 10*len(secrets) {
		t.Errorf("%d values were masked, want at least %d", n, 10*len(secrets))
	}
}

// quoted is m as JSON with every character of its texts escaped, as a caller might write them to get past a filter.
func quoted(t *testing.T, m map[string]string) []byte {
	t.Helper()
	b := []byte("{")
	for name, value := range m {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(escaped(append(b, '"'), name), `":"`...)
		b = append(escaped(b, value), '"')
	}
	return append(b, '}')
}

func escaped(b []byte, s string) []byte {
	for _, r := range s {
		b = appendUnit(b, uint16(r))
	}
	return b
}

func TestLoggerLine(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, LogOptions{}).With(slog.String("component", "gateway")).WithGroup("up")
	log.Debug("not shown")
	log.Warn("down\x1b[31m", slog.Int("tries", 3), slog.Bool("ok", false), slog.Any("error", errors.New("boom")))
	got := out.String()
	i := strings.Index(got, `"component"`)
	want := `"component":"gateway","up.tries":3,"up.ok":false,"up.error":"boom","message":"down\u001b[31m"}` + "\n"
	if i < 0 || got[i:] != want || !strings.HasPrefix(got, `{"level":"warn","time":"2`) {
		t.Errorf("line = %s, want it to end in %s", got, want)
	}
}

// What a rule has read of a message is masked by every name that leads to it, the root apart: `jwt.sub` is no secret.
func TestInputsOfSecretsAreMasked(t *testing.T) {
	m := NewMasker("tenant.code")
	for name, secret := range map[string]bool{
		"args.otp": true, "args.pwd": true, "args.auth.user": true, `args["my.otp"]`: false, `args["o.t.p"].x`: true, `args["\u006ftp"]`: true,
		`args["tenant code"].x`: true, "mcp.tool.result.content[0].pin": true, `request.headers["x-api-key"]`: true, "args.list[*].jwt": true,
		"jwt.sub": false, "principal.groups": false, "args.path": false, "args.options": false, "args": false, `args["broken`: true,
	} {
		r := &Record{Kind: Decision, Time: at, Inputs: []Input{{Name: name, JSON: []byte(`"4711"`)}}}
		r.encode(m)
		if got := !strings.Contains(string(r.line), "4711"); got != secret {
			t.Errorf("%s: masked: %v in %s", name, got, r.line)
		}
	}
}
