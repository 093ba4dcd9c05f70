package clients

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

// Variable is an environment variable that the gateway needs, because a server's entry names it, or because a secret stood in its place.
type Variable struct {
	Name   string
	Server string
	Place  string // where in the entry, such as "env GITHUB_TOKEN"
	Secret bool   // its value stands in the client's file
}

// Translate gives servers as the gateway's config spells them: every reference to a variable is `${NAME}`, every other dollar sign is doubled.
// What looks like a secret, by its name or by itself, is replaced by a variable. Names of servers are not touched.
func Translate(servers []Server) ([]Server, []Variable, error) {
	set, ds := detect.Parse(detect.Builtin())
	if ds.HasErrors() {
		return nil, nil, ds
	}
	t := translator{secrets: set, values: map[string]string{}}
	for i := range servers { // a variable that is named anywhere is no name for a secret
		servers[i].each(func(_, value string) {
			for _, p := range split(value) {
				if p.variable != "" {
					t.values[p.variable] = "\x00"
				}
			}
		})
	}
	var out []Server
	for i := range servers {
		out = append(out, t.server(servers[i]))
	}
	slices.SortStableFunc(t.found, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return out, slices.CompactFunc(t.found, func(a, b Variable) bool { return a.Name == b.Name }), nil
}

// each visits the texts of a server.
func (s *Server) each(visit func(place, value string)) {
	visit("url", s.URL)
	visit("cwd", s.Cwd)
	for _, v := range s.Command {
		visit("args", v)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		visit("env "+name, s.Env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		visit("header "+name, s.Headers[name])
	}
}

type translator struct {
	secrets *detect.Set
	values  map[string]string // what variables stand for; "\x00" is not known
	found   []Variable
	of      string // the server
}

func (t *translator) server(s Server) Server {
	t.of = s.Name
	out := Server{Name: s.Name, Cwd: t.spell("cwd", s.Cwd, escape), URL: t.url("url", s.URL)}
	for i, arg := range s.Command {
		if i == 0 {
			out.Command = []string{t.spell("command", arg, escape)}
			continue
		}
		flag := ""
		if i > 1 && strings.HasPrefix(s.Command[i-1], "-") {
			flag = s.Command[i-1]
		}
		out.Command = append(out.Command, t.argument(flag, arg))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if out.Env == nil {
			out.Env = map[string]string{}
		}
		out.Env[name] = t.env(name, s.Env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[name] = t.header("header "+name, name, s.Headers[name])
	}
	return out
}

// piece is a part of a text: a literal, or a variable.
type piece struct {
	literal            string
	variable, fallback string
	hasFallback        bool
}

// reference finds how clients spell variables: ${{ secrets.X }}, ${env:X}, ${input:x}, ${X}, ${X:-default}, {env:X}.
var reference = regexp.MustCompile(`\$\{\{\s*secrets\.([A-Za-z_]\w*)\s*\}\}|\$?\{env:([A-Za-z_]\w*)\}|\$\{([a-z]\w*:[^}]+)\}|\$\{([A-Za-z_]\w*)(:-[^}$]*)?\}|^\$([A-Z_][A-Z0-9_]*)$`)

func split(value string) []piece {
	var out []piece
	at := 0
	group := func(m []int, n int) string {
		if m[2*n] < 0 {
			return ""
		}
		return value[m[2*n]:m[2*n+1]]
	}
	for _, m := range reference.FindAllStringSubmatchIndex(value, -1) {
		if m[0] > at {
			out = append(out, piece{literal: value[at:m[0]]})
		}
		at = m[1]
		p := piece{variable: group(m, 1) + group(m, 2) + group(m, 4) + group(m, 6)}
		if asked := group(m, 3); asked != "" { // the client asks its user, or knows
			_, name, _ := strings.Cut(asked, ":")
			p.variable = variableName(name)
		}
		if d := group(m, 5); d != "" {
			p.hasFallback, p.fallback = true, d[2:]
		}
		out = append(out, p)
	}
	if at < len(value) {
		out = append(out, piece{literal: value[at:]})
	}
	return out
}

var notInName = regexp.MustCompile(`[^A-Z0-9]+`)

// variableName makes a name of any words.
func variableName(words ...string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToUpper(strings.Join(words, "_")), "_"), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "V_" + name
	}
	return name
}

// spell writes a text as our config has it; hide says what becomes of the literals in it.
func (t *translator) spell(place, value string, hide func(literal string) string) string {
	var b strings.Builder
	for _, p := range split(value) {
		switch {
		case p.variable == "":
			b.WriteString(hide(p.literal))
		case p.hasFallback && !t.looksSecret(p.fallback):
			fmt.Fprintf(&b, "${%s:-%s}", p.variable, p.fallback)
		default:
			t.found = append(t.found, Variable{Name: p.variable, Server: t.of, Place: place})
			b.WriteString("${" + p.variable + "}")
		}
	}
	return b.String()
}

func escape(literal string) string { return strings.ReplaceAll(literal, "$", "$$") }

// plain hides no more than what is a secret by itself.
func (t *translator) plain(place, value string) string {
	return t.spell(place, value, func(literal string) string { return t.hideWords(place, literal) })
}

// whole hides a text of which all is secret, unless it says itself where the secret comes from.
func (t *translator) whole(place, variable, value string) string {
	if value == "" || len(split(value)) != 1 || split(value)[0].variable != "" {
		return t.plain(place, value)
	}
	return t.hide(place, variable, value)
}

// hide gives a variable for a secret: the same one for the same secret, another one where the name is taken.
func (t *translator) hide(place, variable, value string) string {
	name := variable
	for n := 1; ; n++ {
		if was, taken := t.values[name]; !taken || was == value {
			break
		}
		name = variableName(t.of, variable)
		if n > 1 {
			name = fmt.Sprintf("%s_%d", name, n)
		}
	}
	t.values[name] = value
	t.found = append(t.found, Variable{Name: name, Server: t.of, Place: place, Secret: true})
	return "${" + name + "}"
}

func (t *translator) env(name, value string) string {
	place := "env " + name
	if secretName.MatchString(name) || t.looksSecret(value) {
		return t.whole(place, variableName(name), value)
	}
	return t.plain(place, value)
}

// scheme is what stands before the secret in a header.
var scheme = regexp.MustCompile(`^(?i:bearer|basic|token|apikey|api-key) +`)

// harmless are values that nobody keeps secret.
var harmless = regexp.MustCompile(`^(?i:true|false|on|off|yes|no|[0-9.]{1,8})$`)

// header hides every value: what clients send with every request is a credential, almost always.
func (t *translator) header(place, name, value string) string {
	if harmless.MatchString(value) {
		return value
	}
	prefix := scheme.FindString(value)
	return prefix + t.whole(place, variableName(t.of, name), value[len(prefix):])
}

var (
	headerArgument = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*): *(.+)$`)
	namedArgument  = regexp.MustCompile(`^(-{0,2}[A-Za-z][A-Za-z0-9_.-]*)=(.+)$`)
)

// argument spells an argument of a command. flag is the one before it, if that is a flag.
func (t *translator) argument(flag, arg string) string {
	if m := namedArgument.FindStringSubmatch(arg); m != nil && !strings.Contains(m[1], "://") {
		if name := strings.TrimLeft(m[1], "-"); secretName.MatchString(name) {
			variable := variableName(name)
			if strings.HasPrefix(arg, "-") {
				variable = variableName(t.of, name)
			}
			return m[1] + "=" + t.whole("args "+m[1], variable, m[2])
		}
	}
	switch m := headerArgument.FindStringSubmatch(arg); {
	case m != nil && secretName.MatchString(m[1]):
		return m[1] + ": " + t.header("args "+m[1], m[1], m[2])
	case flag != "" && !strings.Contains(flag, "=") && secretName.MatchString(strings.TrimLeft(flag, "-")) && !strings.HasPrefix(arg, "-"):
		return t.whole("args "+flag, variableName(t.of, strings.TrimLeft(flag, "-")), arg)
	case strings.Contains(arg, "://"):
		return t.url("args", arg)
	case path.MatchString(arg):
		return t.spell("args", arg, escape)
	}
	return t.plain("args", arg)
}

// path finds paths, whose parts may be long and no secret.
var path = regexp.MustCompile(`^(/|~/|\.\.?/|[A-Za-z]:\\)`)

// url hides the values of a query whose names say that they are secret, and what is a secret by itself.
func (t *translator) url(place, value string) string {
	front, query, has := strings.Cut(value, "?")
	if u, err := url.Parse(front); err == nil && u.User != nil && len(split(front)) == 1 {
		if _, set := u.User.Password(); set && place != "url" {
			return t.hide(place, variableName(t.of, "URL"), value)
		}
	}
	out := t.plain(place, front)
	if !has {
		return out
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, v, ok := strings.Cut(pair, "=")
		if ok && secretName.MatchString(name) {
			pairs[i] = name + "=" + t.whole(place+" ?"+name, variableName(t.of, name), v)
			continue
		}
		pairs[i] = t.plain(place, pair)
	}
	out += "?" + strings.Join(pairs, "&")
	if hasFragment {
		out += "#" + escape(fragment)
	}
	return out
}

// secretName finds the names of what is to be kept secret.
var secretName = regexp.MustCompile(`(?i)authorization|cookie|token|secret|passw|pwd|credential|api[-_.]?key|access[-_]?key|private[-_]?key|(^|[-_.])(key|pat|auth|pass|dsn)$`)

var (
	run  = regexp.MustCompile(`[A-Za-z0-9]{16,}`)
	uuid = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	word = regexp.MustCompile(`[A-Za-z0-9_~+=.-]+`)
	// within finds a password in a connection string.
	within = regexp.MustCompile(`(?i)://[^/\s:@]*:[^/\s@]+@|(password|pwd|secret|token|key)=[^;&\s]`)
)

// looksSecret says whether a text is a secret, or holds one.
func (t *translator) looksSecret(text string) bool {
	return len(t.spans(text)) > 0 || within.MatchString(text)
}

// spans finds the secrets in a text: what the detectors find, and long words that nobody would write by hand.
func (t *translator) spans(text string) [][2]int {
	var out [][2]int
	type match struct{ Start, End, Rule int }
	for _, m := range detect.Find(t.secrets, []match(nil), []byte(text)) {
		out = append(out, [2]int{m.Start, m.End})
	}
	for _, w := range word.FindAllStringIndex(text, -1) {
		if random(text[w[0]:w[1]]) {
			out = append(out, [2]int{w[0], w[1]})
		}
	}
	slices.SortFunc(out, func(a, b [2]int) int { return a[0] - b[0] })
	return out
}

func random(word string) bool {
	for _, r := range run.FindAllString(word, -1) {
		if strings.ContainsAny(r, "0123456789") && strings.IndexFunc(r, func(c rune) bool { return c > '9' }) >= 0 {
			return true
		}
	}
	return uuid.MatchString(word)
}

// hideWords hides the secrets in a literal.
func (t *translator) hideWords(place, literal string) string {
	var b strings.Builder
	done := 0
	for _, s := range t.spans(literal) {
		if s[0] < done {
			continue
		}
		b.WriteString(escape(literal[done:s[0]]))
		b.WriteString(t.hide(place, variableName(t.of, "SECRET"), literal[s[0]:s[1]]))
		done = s[1]
	}
	b.WriteString(escape(literal[done:]))
	return b.String()
}
