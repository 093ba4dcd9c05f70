package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	private, _, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecdsaKey(t testing.TB, c elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicText(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: publicPEM, Bytes: der}))
}

func signed(t testing.TB, a *Archive, keys ...crypto.Signer) *Archive {
	t.Helper()
	for _, k := range keys {
		data, err := a.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		if a, err = ParseArchive(a.File, data); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// trustIn is a trust file of keys, with head before them, and each with a line of its own after it.
func trustIn(t testing.TB, head string, lines string, keys ...crypto.Signer) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: sallyport/v1\nkind: Trust\n" + head + "keys:\n")
	for i, k := range keys {
		fmt.Fprintf(&b, "  - name: k%d\n    key: |\n      %s\n", i, strings.ReplaceAll(strings.TrimSpace(publicText(t, k.Public())), "\n", "\n      "))
		b.WriteString(lines)
	}
	return b.String()
}

func trusting(t testing.TB, text string) *Trust {
	t.Helper()
	trust, ds := ParseTrust("trust.yaml", []byte(text))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return trust
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestSignaturesHold(t *testing.T) {
	ed, p256, other := ed25519Key(t), ecdsaKey(t, elliptic.P256()), ed25519Key(t)
	plain := made(t, nil)
	two := signed(t, plain, ed, p256)
	if two.Revision != plain.Revision || len(two.Signers()) != 2 {
		t.Error("signing changed the bundle")
	}
	for name, c := range map[string]struct {
		archive *Archive
		trust   string
		want    string // the names of the keys, or the code
	}{
		"one key":                      {signed(t, plain, ed), trustIn(t, "", "", ed), "k0"},
		"a P-256 key":                  {signed(t, plain, p256), trustIn(t, "", "", p256), "k0"},
		"a key that others don't know": {two, trustIn(t, "", "", p256), "k0"},
		"one of three":                 {signed(t, plain, p256), trustIn(t, "", "", ed, p256, other), "k1"},
		"two of three":                 {two, trustIn(t, "threshold: 2\n", "", ed, p256, other), "two"},
		"a public key":                 {two, publicText(t, ed.Public()), "key 1"},
		"one of two public keys":       {signed(t, plain, p256), publicText(t, ed.Public()) + publicText(t, p256.Public()), "key 2"},
		"signed twice by one":          {signed(t, plain, ed, ed), trustIn(t, "threshold: 2\n", "", ed, p256), "SP8107"},
		"unsigned":                     {plain, trustIn(t, "", "", ed), "SP8101"},
		"another key":                  {signed(t, plain, other), trustIn(t, "", "", ed, p256), "SP8106"},
		"two of four needed":           {signed(t, plain, ed), trustIn(t, "threshold: 2\n", "", ed, p256, other), "SP8107"},
		"not yet":                      {two, trustIn(t, "", "    from: 2026-11-22T12:00:01Z\n", ed, p256), "SP8105"},
		"from now on":                  {signed(t, plain, ed), trustIn(t, "", "    from: 2026-11-22T12:00:00Z\n", ed), "k0"},
		"no more":                      {two, trustIn(t, "", "    until: 2026-11-22T12:00:00Z\n", ed, p256), "SP8105"},
		"just yet":                     {signed(t, plain, ed), trustIn(t, "", "    until: 2026-11-22T12:00:01Z\n", ed), "k0"},
	} {
		t.Run(name, func(t *testing.T) {
			by, err := verified(trusting(t, c.trust), c.archive)
			got := codeOf(err)
			switch {
			case len(by) == 2:
				got = "two"
			case len(by) == 1:
				got = by[0].Name
			}
			if got != c.want {
				t.Errorf("got %s (%v), want %s", got, err, c.want)
			}
		})
	}
	if _, err := verified(&Trust{}, two); codeOf(err) != "SP8106" {
		t.Errorf("the zero Trust: %v", err)
	}
}

// verified reads an archive as somebody does who trusts.
func verified(trust *Trust, a *Archive) ([]TrustedKey, error) {
	again, by, err := trust.ParseArchive("x", a.data, noon)
	if err == nil && (again.Manifest == nil || len(again.files) != len(again.Manifest.Files)) {
		return by, errors.New("it is not whole")
	}
	return by, err
}

// Who isn't trusted has nothing unpacked but signatures and what they sign, and nothing of that parsed: what else is wrong is not found.
func TestSignaturesComeFirst(t *testing.T) {
	ed, other := ed25519Key(t), ed25519Key(t)
	trust := trusting(t, trustIn(t, "", "", ed))
	for _, name := range []string{
		"a bomb", "a path that climbs", "an unknown file", "a wrong digest", "a symbolic link", "a file twice", "a missing file",
		"white space", "a comment", "an unknown field", "a version too large", "a file listed twice", "a name for terminals", "no environment",
	} {
		c, ok := hostiles[name]
		if !ok {
			t.Fatalf("there is no %q", name)
		}
		members := c.members
		for want, key := range map[string]crypto.Signer{c.code: ed, "SP8106": other} {
			c.members = func(files []File) []File {
				if members != nil {
					files = members(files)
				}
				return slices.Insert(slices.Clone(files), 1, signaturesOf(t, files[0].Content, key))
			}
			if a, by, err := trust.ParseArchive("x.tar.gz", c.data(t), noon); a != nil || by != nil || codeOf(err) != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
	}
}

// signaturesOf signs any text as a manifest.
func signaturesOf(t testing.TB, manifest []byte, key crypto.Signer) File {
	t.Helper()
	sig, err := sign(key, preAuth(manifest))
	if err != nil {
		t.Fatal(err)
	}
	id, err := KeyID(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	e := (&Archive{manifest: manifest}).envelope()
	e.Signatures = []signature{{KeyID: id, Sig: base64.StdEncoding.EncodeToString(sig)}}
	text, err := canonical(e)
	if err != nil {
		t.Fatal(err)
	}
	return File{Name: signaturesName, Content: text}
}

// forged is an archive with signatures that Sign would not make.
func forged(t testing.TB, a *Archive, edit func(*envelope)) error {
	t.Helper()
	e := a.envelope()
	edit(e)
	text, err := canonical(e)
	if err != nil {
		t.Fatal(err)
	}
	data, err := pack(a.manifest, text, a.files)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ParseArchive("x", data)
	return err
}

// What is signed is what DSSE says, so that others' tools can verify it.
func TestPreAuth(t *testing.T) {
	if got, want := string(preAuth([]byte("{ }\n"))), "DSSEv1 49 application/vnd.sallyport.bundle.manifest.v1+json 4 { }\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestForgedSignatures(t *testing.T) {
	ed, p256 := ed25519Key(t), ecdsaKey(t, elliptic.P256())
	a, b := signed(t, made(t, nil), ed), signed(t, made(t, func(m *Manifest) { m.Version = 4 }), ed)
	for name, c := range map[string]struct {
		edit func(*envelope)
		code string
	}{
		"another type":       {func(e *envelope) { e.PayloadType = "application/json" }, "SP8102"},
		"no payload":         {func(e *envelope) { e.Payload = "" }, "SP8103"},
		"another manifest":   {func(e *envelope) { e.Payload = b.envelope().Payload }, "SP8103"},
		"another's envelope": {func(e *envelope) { *e = *b.envelope() }, "SP8103"},
		"twice one key":      {func(e *envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) }, "SP8102"},
		"base64 in lines":    {func(e *envelope) { e.Payload = e.Payload[:8] + "\n" + e.Payload[8:] }, "SP8103"},
		"a sig in lines":     {func(e *envelope) { e.Signatures[0].Sig = "\n" + e.Signatures[0].Sig }, "SP8102"},
		"no base64":          {func(e *envelope) { e.Signatures[0].Sig = "!" }, "SP8102"},
		"no id":              {func(e *envelope) { e.Signatures[0].KeyID = "k" }, "SP8102"},
		"none":               {func(e *envelope) { e.Signatures = []signature{} }, "SP1011"},
		"too many":           {func(e *envelope) { e.Signatures = make([]signature, 65) }, "SP1011"},
	} {
		if err := forged(t, a, c.edit); codeOf(err) != c.code && !strings.Contains(fmt.Sprint(err), c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	// A signature that stands under another key's name, or was made of another manifest, is no reason to look at others: somebody lies.
	id, err := KeyID(p256.Public())
	if err != nil {
		t.Fatal(err)
	}
	trust := trusting(t, trustIn(t, "", "", ed, p256))
	for name, edit := range map[string]func(*envelope){
		"another key's":       func(e *envelope) { e.Signatures = append(e.Signatures, signature{id, e.Signatures[0].Sig}) },
		"of another manifest": func(e *envelope) { e.Signatures = b.envelope().Signatures },
		"of the manifest only": func(e *envelope) {
			sig, err := sign(ed, a.manifest)
			if err != nil {
				t.Fatal(err)
			}
			e.Signatures[0].Sig = base64.StdEncoding.EncodeToString(sig)
		},
	} {
		e := a.envelope()
		edit(e)
		text, err := canonical(e)
		if err != nil {
			t.Fatal(err)
		}
		data, err := pack(a.manifest, text, a.files)
		if err != nil {
			t.Fatal(err)
		}
		if by, err := verified(trust, &Archive{data: data}); by != nil || codeOf(err) != "SP8104" {
			t.Errorf("%s: %v %v", name, by, err)
		}
	}
}

func TestTrustFiles(t *testing.T) {
	ed, p384 := ed25519Key(t), ecdsaKey(t, elliptic.P384())
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	good := trustIn(t, "", "", ed)
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":       {strings.Replace(good, "keys:", "bundel: x\nkeys:", 1), "SP1002"},
		"no keys":                {"apiVersion: sallyport/v1\nkind: Trust\nkeys: []\n", "SP1011"},
		"a key twice":            {trustIn(t, "", "", ed, ed), "SP8022: this key is there twice"},
		"a threshold too high":   {strings.Replace(good, "keys:", "threshold: 2\nkeys:", 1), "SP8022: 2 keys must have signed, and there are 1"},
		"no threshold":           {strings.Replace(good, "keys:", "threshold: 0\nkeys:", 1), "SP1011"},
		"no key":                 {strings.Replace(good, "BEGIN PUBLIC", "BEGIN RSA PUBLIC", 1), "SP8022: this is not one public key"},
		"a key of another curve": {trustIn(t, "", "", p384), "SP8022: this is not one public key"},
		"a private key":          {string(private), "SP8022: not PEM blocks of type PUBLIC KEY"},
		"a broken key before it": {strings.Replace(string(public), "MC", "!!", 1) + string(public), "SP8022: not PEM blocks"},
		"a word before a key":    {string(public) + "x\n" + string(public), "SP8022: not PEM blocks"},
		"a key and something":    {string(public) + "x", "SP8022: not PEM blocks"},
		"a time that is none":    {trustIn(t, "", "    from: soon\n", ed), "SP8022: `soon` is no time"},
		"never":                  {trustIn(t, "", "    until: 0001-01-01T00:00:00Z\n", ed), "SP8022: `0001-01-01T00:00:00Z` is no time"},
		"a window that is none":  {trustIn(t, "", "    from: 2026-01-02T00:00:00Z\n    until: 2026-01-01T00:00:00Z\n", ed), "SP8022: `until` is not after `from`"},
		"two documents":          {good + "---\n" + good, "SP1010"},
		"nothing":                {"", "SP1010"},
	} {
		trust, ds := ParseTrust("t", []byte(c.text))
		code, message, _ := strings.Cut(c.want, ": ")
		if trust != nil && !ds.HasErrors() || len(ds) != 1 || ds[0].Code != code || !strings.Contains(ds[0].Message, message) {
			t.Errorf("%s: %v, want %s", name, ds, c.want)
		}
	}
	trust := trusting(t, strings.Replace(good, "keys:", "bundle: acme\nkeys:", 1))
	if id, err := KeyID(ed.Public()); err != nil || trust.Keys[0].ID != id || trust.Bundle != "acme" || trust.Threshold != 1 {
		t.Errorf("%+v", trust)
	}
	name := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(name, make([]byte, MaxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTrust(name); codeOf(err) != "SP8022" {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	encode := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: privatePEM, Bytes: der})
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"Ed25519": {private, ""}, "P-256": {encode(ecdsaKey(t, elliptic.P256())), ""},
		"P-384": {encode(ecdsaKey(t, elliptic.P384())), errKey.Error()}, "RSA": {encode(rsaKey), errKey.Error()},
		"a public key": {public, "not one PEM block of type PRIVATE KEY"}, "two": {append(private, private...), "not one PEM block of type PRIVATE KEY"}, "none": {nil, "not one PEM block of type PRIVATE KEY"},
		"no PKCS #8": {pem.EncodeToMemory(&pem.Block{Type: privatePEM, Bytes: []byte("x")}), "not a key in PKCS #8"},
	} {
		key, err := ParsePrivateKey(c.text)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want || (key == nil) != (err != nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := made(t, nil).Sign(rsaKey); !errors.Is(err, errKey) {
		t.Error(err)
	}
}

func TestAdmit(t *testing.T) {
	version := func(n int64) func(*Manifest) { return func(m *Manifest) { m.Version = n } }
	for name, c := range map[string]struct {
		edit  func(*Manifest)
		terms Terms
		want  string
	}{
		"anything for anybody":       {nil, Terms{Now: noon}, ""},
		"new enough":                 {func(m *Manifest) { m.Sallyport = "1.10.0" }, Terms{Sallyport: "v1.10.0"}, ""},
		"a development build":        {func(m *Manifest) { m.Sallyport = "1.10.0" }, Terms{Sallyport: "devel"}, ""},
		"too old":                    {func(m *Manifest) { m.Sallyport = "1.10.0" }, Terms{Sallyport: "v1.9.9"}, "SP8020"},
		"too old by a word":          {func(m *Manifest) { m.Sallyport = "1.10.0" }, Terms{Sallyport: "v1.9.9-0.20261122"}, "SP8020"},
		"another environment":        {func(m *Manifest) { m.Environment = "2031-01" }, Terms{}, "SP8021"},
		"expired":                    {func(m *Manifest) { m.Expires = "2026-11-22T12:00:00Z" }, Terms{Now: noon}, "SP8110"},
		"not expired":                {func(m *Manifest) { m.Expires = "2026-11-22T12:00:01Z" }, Terms{Now: noon}, ""},
		"for this one":               {func(m *Manifest) { m.Audience = []string{"a", "b"} }, Terms{Audience: "b"}, ""},
		"for others":                 {func(m *Manifest) { m.Audience = []string{"a", "b"} }, Terms{Audience: "c"}, "SP8111"},
		"for somebody":               {func(m *Manifest) { m.Audience = []string{"a"} }, Terms{}, "SP8111"},
		"the one":                    {nil, Terms{Bundle: "acme"}, ""},
		"another":                    {nil, Terms{Bundle: "umbrella"}, "SP8112"},
		"the same again":             {nil, Terms{Last: made(t, nil)}, ""},
		"a newer one":                {version(4), Terms{Last: made(t, nil)}, ""},
		"an older one":               {version(2), Terms{Last: made(t, nil)}, "SP8113"},
		"another of a version":       {func(m *Manifest) { m.Expires = "2036-11-22T12:00:01Z" }, Terms{Last: made(t, nil)}, "SP8114"},
		"another name":               {func(m *Manifest) { m.Name = "other" }, Terms{Last: made(t, nil)}, "SP8112"},
		"another name that is meant": {func(m *Manifest) { m.Name, m.Version = "other", 1 }, Terms{Bundle: "other", Last: made(t, nil)}, ""},
	} {
		if err := made(t, c.edit).Admit(c.terms); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	ds, _ := errors.AsType[source.Diagnostics](made(t, func(m *Manifest) { m.Expires, m.Audience = "2026-11-22T12:00:00Z", []string{"a"} }).Admit(Terms{Now: noon}))
	if len(ds) != 2 {
		t.Errorf("%v: every reason is given", ds)
	}
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	s := StoreIn(dir)
	if last, err := s.Last(); last != nil || err != nil {
		t.Fatal(last, err)
	}
	for _, version := range []int64{1, 2} {
		a := made(t, func(m *Manifest) { m.Version = version })
		if err := s.Keep(a); err != nil {
			t.Fatal(err)
		}
		if last, err := s.Last(); err != nil || last.Revision != a.Revision {
			t.Fatal(last, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v: %v", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, lastGood)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	if err := s.Confirm(noon); err != nil {
		t.Error(err)
	}
	if at, err := s.Confirmed(); err != nil || !at.Equal(noon) {
		t.Error(at, err)
	}
	if _, err := StoreIn(t.TempDir()).Confirmed(); err == nil {
		t.Error("what is not there was confirmed")
	}
	if err := os.WriteFile(filepath.Join(dir, lastGood), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Last(); codeOf(err) != "SP8115" {
		t.Error(err)
	}
}

func TestBuild(t *testing.T) {
	const about = "apiVersion: sallyport/v1\nkind: Bundle\nmetadata: { name: acme, version: 7 }\naudience: [prod]\n"
	dir := write(t, map[string]string{"bundle.yaml": about, "p.yaml": named("p"), "notes.md": "no", ".git/x.yaml": "no", "tools.lock.json": emptyLock})
	a, err := Build(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Build(write(t, map[string]string{"tools.lock.json": emptyLock, "p.yaml": named("p"), "bundle.yaml": about + "# a word\n"}), 0)
	if err != nil || string(a.Data()) != string(b.Data()) {
		t.Error("the same tree makes other bytes", err)
	}
	if m := a.Manifest; m.Name != "acme" || m.Version != 7 || m.Environment != "2026-11" || len(m.Files) != 2 {
		t.Errorf("%+v", m)
	}
	if c, err := Build(dir, 9); err != nil || c.Manifest.Version != 9 {
		t.Error(c, err)
	}
	if d, err := Dir(dir); err != nil || d.Diagnostics.HasErrors() || len(d.Policies) != 1 {
		t.Error("the directory is no directory of policies:", err, d)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no bundle.yaml":     {map[string]string{"p.yaml": named("p")}, "there is no bundle.yaml"},
		"nothing in it":      {map[string]string{"bundle.yaml": about}, ErrNoPolicy.Error()},
		"a name":             {map[string]string{"bundle.yaml": about, "my policy.yaml": named("p")}, "SP8008"},
		"twins":              {map[string]string{"bundle.yaml": about, "P.yaml": named("p"), "p.yaml": named("p")}, "SP8012"},
		"a policy beside it": {map[string]string{"bundle.yaml": about + "---\n" + named("p"), "p.yaml": named("q")}, "SP1010"},
		"a typing mistake":   {map[string]string{"bundle.yaml": strings.Replace(about, "audience", "audiance", 1), "p.yaml": named("q")}, "SP1002"},
		"a time":             {map[string]string{"bundle.yaml": about + "expires: tomorrow\n", "p.yaml": named("q")}, "SP8017"},
	} {
		if _, err := Build(write(t, c.files), 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	fresh := filepath.Join(t.TempDir(), "new")
	file, err := Init(fresh, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Init(fresh, "acme"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second init: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, ds := parseAbout(file, []byte(strings.ReplaceAll(string(text), "# ", ""))); !ds.HasErrors() {
		t.Error("comments are no comments")
	}
	if m, ds := parseAbout(file, text); len(ds) > 0 || m.Version != 1 || m.Name != "acme" {
		t.Error(m, ds)
	}
	if _, err := Init(t.TempDir(), "a b"); err == nil {
		t.Error("a name with a space")
	}
}

// A key for which a signature of nothing holds is nobody's.
func TestWeakKeys(t *testing.T) {
	for _, text := range weakKeys {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			key[31] |= sign
			forged := append([]byte{1}, make([]byte, 63)...) // R is the neutral point, and S is 0
			holds := false
			for i := range 256 {
				holds = holds || ed25519.Verify(key, []byte{byte(i)}, forged)
			}
			if !holds && sign == 0 {
				t.Errorf("%s is as good as any", text)
			}
			der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(key))
			if err != nil {
				t.Fatal(err)
			}
			if _, ds := ParseTrust("t", pem.EncodeToMemory(&pem.Block{Type: publicPEM, Bytes: der})); len(ds) != 1 || ds[0].Code != "SP8022" || ds[0].Message != errWeak.Error() {
				t.Errorf("%s: %v", text, ds)
			}
		}
	}
}

// Of what was active, the last is kept and the one before; one from which an operator has gone back is nothing to go back to.
func TestStoreKeepsTwo(t *testing.T) {
	s := StoreIn(filepath.Join(t.TempDir(), "state"))
	of := func(version int64) *Archive { return made(t, func(m *Manifest) { m.Version = version }) }
	check := func(when string, last, before int64) {
		t.Helper()
		for _, c := range []struct {
			read func() (*Archive, error)
			want int64
		}{{s.Last, last}, {s.Previous, before}} {
			a, err := c.read()
			if err != nil || (a == nil) != (c.want == 0) || a != nil && a.Manifest.Version != c.want {
				t.Errorf("%s: %v, %v, want version %d", when, a, err, c.want)
			}
		}
	}
	keep := func(version int64) {
		t.Helper()
		if err := s.Keep(of(version)); err != nil {
			t.Fatal(err)
		}
	}
	check("at first", 0, 0)
	keep(1)
	check("one", 1, 0)
	keep(1)
	check("the same again", 1, 0)
	keep(2)
	check("two", 2, 1)
	back := Choice{Revision: of(1).Revision, Of: of(2).Revision, By: "alice", Time: noon}
	if err := s.Choose(back); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Choice(of(2)); err != nil || c == nil || *c != back {
		t.Errorf("%+v, %v", c, err)
	}
	if a, err := s.Chosen(&back, of(2)); err != nil || a.Manifest.Version != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	keep(3)
	check("after going back", 3, 1)
	if c, err := s.Choice(of(3)); c != nil || err != nil {
		t.Errorf("a choice holds beyond the bundle that it was about: %+v, %v", c, err)
	}
	if _, err := s.Chosen(&Choice{Revision: "sha256:other", By: "alice"}, of(3)); codeOf(err) != "SP8203" {
		t.Error(err)
	}
	for _, text := range []string{"", "{", "{}", `{"revision":"a"}`, `{"revision":"a","of":"b","more":1}`, `{"revision":"a","of":"b"}{}`, `{"revision":"a","of":"b"}` + strings.Repeat(" ", maxChoice)} {
		if err := os.WriteFile(filepath.Join(s.dir, choice), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Choice(of(3)); codeOf(err) != "SP8201" {
			t.Errorf("%q: %v", text, err)
		}
	}
}
