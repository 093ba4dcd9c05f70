package detect_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

// Secrets in examples are put together here, so that nothing in the repository looks like one.

const (
	digits = "0123456789"
	hex    = digits + "abcdef"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base32 = upper + "234567"
	alnum  = upper + "abcdefghijklmnopqrstuvwxyz" + digits
	url64  = alnum + "_-"
	b64    = alnum + "+/"
)

var random = rand.New(rand.NewPCG(1, 2)) // the same examples every time

// some is n random characters, of every kind that the alphabet has if there is room.
func some(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	for i, kind := range []string{digits, upper, "abcdefghijklmnopqrstuvwxyz"} {
		if of := strings.Map(func(r rune) rune {
			if strings.ContainsRune(kind, r) {
				return r
			}
			return -1
		}, alphabet); of != "" && n > 8 {
			b[1+2*i] = of[random.IntN(len(of))]
		}
	}
	return string(b)
}

// example is a text in which a rule finds what stands between the two guillemets; none, and it finds nothing.
type example struct{ rule, text string }

func secret(before, s, after string) string { return before + "\u00ab" + s + "\u00bb" + after }

func examples() []example {
	awsSecret, jwt := some(b64, 40), "eyJhbGci"+"OiJIUzI1NiJ9."+some(url64, 40)+"."+some(url64, 43)
	pem := "-----BEGIN " + "RSA PRIVATE KEY-----\n" + some(b64, 64) + "\n" + some(b64, 64) + "\n" + some(b64, 20) + "==\n-----END RSA PRIVATE KEY-----"
	encrypted := "-----BEGIN " + "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0123\n\n" + some(b64, 64) + "\n-----END RSA PRIVATE KEY-----"
	return []example{
		{"aws-access-key-id", secret("id: ", "AK"+"IA"+some(base32, 16), ", and")},
		{"aws-access-key-id", secret("(", "AS"+"IA"+some(base32, 16), ")")},
		{"aws-access-key-id", "AK" + "IAIOSFODNN7EXAMPLE"},
		{"aws-access-key-id", "AK" + "IA" + some(base32, 17)},
		{"aws-access-key-id", "xAK" + "IA" + some(base32, 16)},
		{"aws-secret-access-key", secret("aws_secret_access_key = ", awsSecret, "\n")},
		{"aws-secret-access-key", secret(`{"SecretAccessKey": "`, awsSecret, `"}`)},
		{"aws-secret-access-key", secret(`{\"secretAccessKey\":\"`, awsSecret, `\"}`)},
		{"aws-secret-access-key", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"},
		{"aws-bedrock-key", secret("", "ABSK"+"QmVkcm9ja0FQSUtleS"+some(b64, 100), "")},
		{"github-token", secret("token ", "gh"+"p_"+some(alnum, 36), ".")},
		{"github-token", secret("", "gh"+"s_"+some(alnum, 60), "")},
		{"github-token", "gh" + "p_" + some(alnum, 35)},
		{"github-token", "gh" + "p_" + strings.Repeat("x", 36)},
		{"github-fine-grained-token", secret("", "github_"+"pat_"+some(alnum, 22)+"_"+some(alnum, 59), "")},
		{"gitlab-token", secret("", "gl"+"pat-"+some(url64, 19)+"a", "")},
		{"gitlab-token", secret("", "gl"+"pat-"+some(url64, 27)+".01."+some(digits+"abcxyz", 9), "")},
		{"gitlab-token", "gl" + "pat-short"},
		{"slack-token", secret("", "xo"+"xb-"+some(digits, 12)+"-"+some(digits, 12)+"-"+some(alnum, 24), "")},
		{"slack-token", "xo" + "xb-" + "xxxxxxxxxxxx-xxxxxxxxxxxx"},
		{"slack-app-token", secret("", "xa"+"pp-1-A"+some(upper+digits, 10)+"-"+some(digits, 13)+"-"+some(hex, 64), "")},
		{"slack-webhook", secret("https://hooks.slack"+".com/services/", "T"+some(upper+digits, 10)+"/B"+some(upper+digits, 10)+"/"+some(alnum, 24), "")},
		{"stripe-key", secret("", "sk"+"_live_"+some(alnum, 24), "")},
		{"stripe-key", secret("", "rk"+"_test_"+some(alnum, 99), " ")},
		{"stripe-key", "pk" + "_live_" + some(alnum, 24)},
		{"stripe-webhook-secret", secret("", "wh"+"sec_"+some(alnum, 32), "")},
		{"google-api-key", secret("key=", "AI"+"za"+some(alnum, 35), "&")},
		{"google-api-key", "AI" + "za" + some(alnum, 36)},
		{"google-oauth-client-secret", secret("", "GOC"+"SPX-"+some(alnum, 28), "")},
		{"google-oauth-token", secret("", "ya"+"29."+some(alnum, 120), "")},
		{"azure-storage-key", secret("AccountName=a;Account"+"Key=", some(b64, 86)+"==", ";EndpointSuffix=core.windows.net")},
		{"azure-shared-access-key", secret("SharedAccess"+"Key=", some(b64, 43)+"=", "")},
		{"azure-sas-signature", secret("?sv=2024-01-01&si"+"g=", some(alnum, 43)+"%3D", "&se=1")},
		{"azure-devops-token", secret("", some(alnum, 76)+"AZ"+"DO"+some(alnum, 4), "")},
		{"azure-ai-key", secret("", some(alnum, 52)+"JQQ"+"J99"+some(alnum, 6)+"AC"+some(alnum, 18), "")},
		{"npm-token", secret("", "np"+"m_"+some(alnum, 36), "")},
		{"npm-legacy-token", secret("//registry.npmjs.org/:_auth"+"Token=", some(hex, 36), "")},
		{"npm-legacy-token", "//registry.npmjs.org/:_auth" + "Token=${NPM_TOKEN}"},
		{"pypi-token", secret("", "py"+"pi-AgEIcHlwaS5vcmc"+some(url64, 120), "")},
		{"openai-key", secret("", "sk"+"-proj-"+some(url64, 120), "")},
		{"openai-legacy-key", secret("", "sk"+"-"+some(alnum, 20)+"T3Blbk"+"FJ"+some(alnum, 20), "")},
		{"openai-legacy-key", "sk" + "-" + some(alnum, 40)},
		{"anthropic-key", secret("", "sk"+"-ant-api03-"+some(url64, 93)+"AA", "")},
		{"anthropic-key", "sk" + "-ant-api03-your-key-here"},
		{"huggingface-token", secret("", "h"+"f_"+some(alnum, 34), "")},
		{"huggingface-token", "h" + "f_hub_download_from_the_hub"},
		{"groq-key", secret("", "gs"+"k_"+some(alnum, 52), "")},
		{"xai-key", secret("", "xa"+"i-"+some(alnum, 80), "")},
		{"perplexity-key", secret("", "pp"+"lx-"+some(alnum, 48), "")},
		{"databricks-token", secret("", "da"+"pi"+some(hex, 32), "")},
		{"digitalocean-token", secret("", "do"+"p_v1_"+some(hex, 64), "")},
		{"docker-token", secret("", "dc"+"kr_pat_"+some(alnum, 27), "")},
		{"vault-token", secret("", "hv"+"s."+some(alnum, 90), "")},
		{"terraform-cloud-token", secret("", some(alnum, 14)+".atlas"+"v1."+some(alnum, 67), "")},
		{"shopify-token", secret("", "sh"+"pat_"+some(hex, 32), "")},
		{"grafana-token", secret("", "gl"+"sa_"+some(alnum, 32)+"_"+some(hex, 8), "")},
		{"postman-key", secret("", "PM"+"AK-"+some(hex, 24)+"-"+some(hex, 34), "")},
		{"new-relic-key", secret("", "NR"+"AK-"+some(upper+digits, 27), "")},
		{"sentry-token", secret("", "sn"+"tryu_"+some(hex, 64), "")},
		{"linear-key", secret("", "li"+"n_api_"+some(alnum, 40), "")},
		{"notion-token", secret("", "nt"+"n_"+some(digits, 11)+some(alnum, 35), "")},
		{"discord-webhook", secret("https://discord"+".com/api/webhooks/"+some(digits, 18)+"/", some(alnum, 68), "")},
		{"age-secret-key", secret("", "AGE-SEC"+"RET-KEY-1"+some("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58), "")},
		{"private-key", secret("key:\n", pem, "\nend")},
		{"private-key", secret(`{"private_key":"`, strings.ReplaceAll(pem, "\n", `\n`), `\n"}`)},
		{"private-key", secret("", encrypted, "")},
		{"private-key", secret("", pem[:150], "")},
		{"private-key", "-----BEGIN " + "PUBLIC KEY-----\n" + some(b64, 64) + "\n-----END PUBLIC KEY-----"},
		{"private-key", "a file that begins with -----BEGIN " + "PRIVATE KEY-----, as they do"},
		{"jwt", secret("at=", jwt, ";")},
		{"jwt", strings.Join(strings.Split(jwt, ".")[:2], ".")},
		{"connection-string", secret("postgres://app:", "s3"+"cr.Et!", "@db:5432/app")},
		{"connection-string", secret("mongodb+srv://u:", "p"+"%40ss1", "@c.example.net")},
		{"connection-string", "postgres://app:${DB_PASSWORD}@db/app"},
		{"connection-string", "postgres://user:password@localhost/db"},
		{"connection-string", "redis://localhost:6379/0 and me@example.com"},
		{"url-password", secret("https://ann:", "hunt"+"er22", "@git.example.net/x.git")},
		{"url-password", "https://example.net:8443/a@b"},
		{"bearer-token", secret("Authorization: Bearer ", some(alnum, 40), "\n")},
		{"bearer-token", "the bearer authentication_scheme_of_http is simple"},
		{"basic-credentials", secret("Authorization: Basic ", some(b64, 22)+"==", "\n")},
		{"password-assignment", secret("DB_PASSWORD=", "tr0ub4"+"dor", "\n")},
		{"password-assignment", secret(`"password": "`, "x9!kQ"+"72z", `"`)},
		{"password-assignment", secret("Server=db;Pwd=", "x9!kQ"+"72z", ";")},
		{"password-assignment", "password: required"},
		{"password-assignment", "password = os.getenv(\"P1\")"},
		{"password-assignment", "password: ********"},
		{"password-assignment", "PASSWORD=<your-password-1>"},
		{"secret-assignment", secret("api_key = \"", some(alnum, 32), "\"")},
		{"secret-assignment", secret("my-token: ", some(hex, 40), "\n")},
		{"secret-assignment", secret(`{"client_secret":"`, some(url64, 30)+"x", `"}`)},
		{"secret-assignment", `"nextPageToken": "` + some(alnum, 40) + `"`},
		{"secret-assignment", "token = config.get_the_token_from_vault2"},
		{"secret-assignment", "token: the_name_of_the_token_here"},
		{"secret-assignment", "secret: 2026-11-22T12:00:00Z"},
		{"secret-assignment", "api_key: YOUR_API_KEY_GOES_HERE_1234"},
	}
}

// Every rule finds what it is for, all of it and nothing beside it, and nothing where there is none.
func TestBuiltin(t *testing.T) {
	s := builtin(t)
	ids := s.Rules()
	shown := map[string]bool{}
	for _, e := range examples() {
		before, rest, there := strings.Cut(e.text, "\u00ab")
		want, after, _ := strings.Cut(rest, "\u00bb")
		text := before + want + after
		var got []string
		for _, m := range detect.Find[detect.Match](s, nil, []byte(text)) {
			if ids[m.Rule] == e.rule {
				got = append(got, text[m.Start:m.End])
			}
		}
		shown[e.rule] = shown[e.rule] || there
		if there && !slices.Equal(got, []string{want}) || !there && len(got) > 0 {
			t.Errorf("%s in %q: got %q", e.rule, e.text, got)
		}
	}
	for _, id := range ids {
		if !shown[id] {
			t.Errorf("no example of %s", id)
		}
	}
}

// No rule of the set needs the whole of a text, which would make long texts slow.
func TestBuiltin_triesWhereMatchesBegin(t *testing.T) {
	for id, mode := range detect.Modes(builtin(t)) {
		if mode != "anchor" {
			t.Errorf("%s: %s", id, mode)
		}
	}
}

// What looks like secrets and is none.
func TestBuiltin_findsNothing(t *testing.T) {
	s := builtin(t)
	for _, text := range []string{
		"commit " + some(hex, 40) + " by Ann", "id 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "sha256-" + some(b64, 43) + "=",
		`"integrity": "sha512-` + some(b64, 86) + `=="`, "data:image/png;base64," + some(b64, 400), "h1:" + some(b64, 43) + "=",
		"sha256:" + some(hex, 64), "ETag: \"" + some(hex, 32) + "\"", "A token is a word; the secret of tokens: they are short.",
		"password reset: see the manual", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + some(b64, 43) + " ann@host", string(clean(4096)),
	} {
		if found := detect.Find[detect.Match](s, nil, []byte(text)); len(found) > 0 {
			t.Errorf("%q: %s finds %q", text, s.Rules()[found[0].Rule], text[found[0].Start:found[0].End])
		}
	}
}
