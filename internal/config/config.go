// Package config reads Sallyport's config file, and the lists of MCP servers that clients keep.
//
// A Config is plain data: nothing is opened, looked up or started. Relative paths in it are resolved against the file that names them.
package config

import (
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Config is the whole config file, with defaults filled in. Its tags say what the decoder accepts and what the JSON Schema says.
type Config struct {
	Listen     string             `yaml:"listen" jsonschema:"minLength=1,default=127.0.0.1:8080" jsonschema_description:"The address that MCP clients connect to, as host:port."`
	TLS        *TLS               `yaml:"tls" jsonschema_description:"Serve TLS. Needed on an address that is not loopback, unless insecure is true."`
	Insecure   bool               `yaml:"insecure" jsonschema_description:"Serve an address that is not loopback without TLS, because something in front of the gateway ends it."`
	PublicURL  string             `yaml:"publicURL" jsonschema:"minLength=1" jsonschema_description:"The URL by which clients know the gateway, where that differs from listen."`
	Hosts      []string           `yaml:"hosts" jsonschema:"minItems=1" jsonschema_description:"The Host headers that are accepted: names or addresses, with or without a port. Left out, only loopback names are. A star accepts all."`
	Origins    []string           `yaml:"origins" jsonschema:"minItems=1" jsonschema_description:"The Origin headers that are accepted, such as https://app.example. Left out, those whose host is among the hosts are. A star accepts all."`
	Admin      Admin              `yaml:"admin" jsonschema_description:"The listener for health, metrics and the admin API."`
	Servers    map[string]Server  `yaml:"servers" jsonschema_description:"The MCP servers behind the gateway, by name. Each is served at /mcp/NAME."`
	Discovery  *Discovery         `yaml:"discovery" jsonschema_description:"Where there are servers beside those that are named here, and what is asked of them."`
	Virtual    map[string]Virtual `yaml:"virtual" jsonschema_description:"Virtual servers, by name: selections of the servers, each served at /mcp/NAME as one."`
	Federation Federation         `yaml:"federation" jsonschema_description:"How several servers are asked as one, at /mcp and by virtual servers."`
	Policies   string             `yaml:"policies" jsonschema:"minLength=1" jsonschema_description:"Where the policies are: a directory, a file, a bundle (.tar.gz), or what a bundle is fetched from: https://HOST/PATH, or oci://REGISTRY/REPOSITORY:TAG. Left out, every call is denied."`
	Bundle     Bundle             `yaml:"bundle" jsonschema_description:"Which bundle is taken, if policies names one."`
	Pins       string             `yaml:"pins" jsonschema:"enum=enforce,enum=shadow,default=enforce" jsonschema_description:"What tools.lock.json is to the servers in it, if the policies have one: a tool that it doesn't have, or that its server describes otherwise now, is neither listed nor called; or that is only recorded."`
	Plugins    Plugins            `yaml:"plugins" jsonschema_description:"How plugins among the policies are run."`
	Identity   Identity           `yaml:"identity" jsonschema_description:"Who may call, and how they prove it."`
	Audit      Audit              `yaml:"audit" jsonschema_description:"The decision records."`
	Limits     Limits             `yaml:"limits" jsonschema_description:"The bounds of every request, answer, connection and wait."`
	RateLimits []RateLimit        `yaml:"rateLimits" jsonschema_description:"How often calls may be made."`
	Store      Store              `yaml:"store" jsonschema_description:"Where replicas of the gateway keep what they share. Left out, each counts for itself."`
	Overload   Overload           `yaml:"overload" jsonschema_description:"Which requests are refused first while the gateway is short of something."`
	Denials    Denials            `yaml:"denials" jsonschema_description:"How a refusal looks to the client."`
	Sessions   Sessions           `yaml:"sessions" jsonschema_description:"How session ids are sealed."`
	Replicas   Replicas           `yaml:"replicas" jsonschema_description:"What the gateways have in common that serve the same clients, and how they reach each other."`
	Log        Log                `yaml:"log" jsonschema_description:"The operational log, on standard error."`

	node *source.Node
}

// TLS names the certificate of a listener.
type TLS struct {
	Cert string `yaml:"cert" jsonschema:"required,minLength=1" jsonschema_description:"The file of the certificate chain, PEM."`
	Key  string `yaml:"key" jsonschema:"required,minLength=1" jsonschema_description:"The file of its private key, PEM."`
}

// Admin describes the admin listener. Whoever reaches it may read; changes need a token.
type Admin struct {
	Listen   string       `yaml:"listen" jsonschema:"minLength=1,default=127.0.0.1:9090" jsonschema_description:"Its address, as host:port."`
	Insecure bool         `yaml:"insecure" jsonschema_description:"Serve it on an address that is not loopback. It has no TLS, and asks for no credentials where it only shows."`
	Tokens   []AdminToken `yaml:"tokens" jsonschema:"minItems=1" jsonschema_description:"Operators who may change which bundle decides and say which servers serve, known by a token. Left out, nobody can change anything there."`
}

// AdminToken is an operator, known by the hash of a token.
type AdminToken struct {
	ID   string `yaml:"id" jsonschema:"required,minLength=1,maxLength=100" jsonschema_description:"What the operator is called in records."`
	Hash Hash   `yaml:"hash" jsonschema:"required" jsonschema_description:"The SHA-256 of the token, as sha256: and 64 hex digits."`
}

// Server is one MCP server: at a URL, or a command that is run.
type Server struct {
	URL           string            `yaml:"url" jsonschema:"minLength=1" jsonschema_description:"Its Streamable HTTP endpoint, http or https."`
	Headers       map[string]string `yaml:"headers" jsonschema_description:"Headers sent with every request to it, such as its own credentials."`
	TLS           *ServerTLS        `yaml:"tls" jsonschema_description:"How its certificate is checked."`
	Command       []string          `yaml:"command" jsonschema:"minItems=1" jsonschema_description:"A program and its arguments, which speaks MCP over stdin and stdout. No shell is involved."`
	Env           map[string]string `yaml:"env" jsonschema_description:"Environment variables of the command, beside PATH, HOME, LANG and the like. It gets no others."`
	Cwd           string            `yaml:"cwd" jsonschema:"minLength=1" jsonschema_description:"The command's working directory. Left out, the gateway's own."`
	Timeout       Duration          `yaml:"timeout" jsonschema_description:"How long it may take to answer. Left out, limits.callTimeout."`
	Era           string            `yaml:"era" jsonschema:"enum=auto,enum=legacy,enum=modern" jsonschema_description:"Translate between clients and this server where they are of different eras of the protocol: the server's is found out (auto), or known to be until 2025-11-25 (legacy) or since 2026-07-28 (modern). Left out, nothing is translated at /mcp/NAME; where several servers are one it always is."`
	MaxSessions   int               `yaml:"maxSessions" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"Sessions of older clients at a time, each with a process of its own. Left out, 16."`
	MaxConcurrent int               `yaml:"maxConcurrent" jsonschema:"minimum=1,maximum=100000" jsonschema_description:"Calls of it at a time. More wait in the queue. Left out, no bound of its own."`
	Queue         *Queue            `yaml:"queue" jsonschema_description:"The calls that wait while maxConcurrent others are under way."`
	Breaker       *Breaker          `yaml:"breaker" jsonschema_description:"When a server that fails is left alone for a while. Left out, it is always asked."`

	Versions map[string]Version `yaml:"versions" jsonschema_description:"Its versions, by name, in the place of url or command. Each caller comes to one of them."`
	Routes   []Route            `yaml:"routes" jsonschema:"minItems=1" jsonschema_description:"Which calls go to which version, whatever the weights. The first that holds decides."`
	Mirror   *Mirror            `yaml:"mirror" jsonschema_description:"A version that gets copies of calls, too, to see whether it takes them. What it answers is dropped."`

	Tools map[string]ServerTool `yaml:"tools" jsonschema_description:"Tools of it that come to an end, by the names that it gives them."`
}

// Queue bounds the calls that wait for a server.
type Queue struct {
	Length int      `yaml:"length" jsonschema:"minimum=0,maximum=100000" jsonschema_description:"How many may wait; with 0 none does. Left out, as many as maxConcurrent."`
	Wait   Duration `yaml:"wait" jsonschema_description:"How long one may wait. Left out, 5s."`
}

// Breaker says when a server that fails is left alone.
type Breaker struct {
	Failures int      `yaml:"failures" jsonschema:"minimum=1,maximum=10000" jsonschema_description:"How many calls must fail one after the other: those that the server could not be asked, did not answer, or answered with a status of 500 or more. Left out, 5."`
	Open     Duration `yaml:"open" jsonschema_description:"How long it is left alone, before one call is let through to see whether it has recovered. Left out, 30s."`
}

// ServerTLS says how a server's certificate is checked.
type ServerTLS struct {
	CA string `yaml:"ca" jsonschema:"required,minLength=1" jsonschema_description:"The file of the certificates that its certificate must chain to, PEM. Left out, the system's."`
}

// Identity says who may call.
type Identity struct {
	Anonymous string   `yaml:"anonymous" jsonschema:"enum=allow,enum=deny,default=deny" jsonschema_description:"Whether calls without a credential are let through to the policies."`
	APIKeys   []APIKey `yaml:"apiKeys" jsonschema_description:"Callers known by a key, sent as a bearer token or in X-API-Key."`
	JWT       []JWT    `yaml:"jwt" jsonschema_description:"Issuers whose tokens are accepted."`
}

// APIKey is a key, known by its hash.
type APIKey struct {
	ID     string         `yaml:"id" jsonschema:"required,minLength=1,maxLength=100" jsonschema_description:"What the caller is called in policies and records."`
	Hash   Hash           `yaml:"hash" jsonschema:"required" jsonschema_description:"The SHA-256 of the key, as sha256: and 64 hex digits."`
	Claims map[string]any `yaml:"claims" jsonschema_description:"What policies see of the caller, as if a token had said it: groups, roles, scope and others."`
}

// JWT is an issuer of tokens.
type JWT struct {
	Issuer     string   `yaml:"issuer" jsonschema:"required,minLength=1" jsonschema_description:"The exact value of a token's iss."`
	Audiences  []string `yaml:"audiences" jsonschema:"required,minItems=1" jsonschema_description:"The names that this gateway goes by; a token's aud must hold one."`
	JWKS       string   `yaml:"jwks" jsonschema:"required,minLength=1" jsonschema_description:"The issuer's public keys: a file, or an https URL."`
	Algorithms []string `yaml:"algorithms" jsonschema:"minItems=1,enum=RS256,enum=RS384,enum=RS512,enum=PS256,enum=PS384,enum=PS512,enum=ES256,enum=ES384,enum=ES512,enum=EdDSA" jsonschema_description:"The algorithms that its tokens may be signed with. Left out, RS256 and ES256."`
	ClockSkew  Duration `yaml:"clockSkew" jsonschema_description:"How far its clock may be off. Left out, 60s."`
}

// Audit describes the decision records.
type Audit struct {
	File      string   `yaml:"file" jsonschema:"minLength=1" jsonschema_description:"The file that they are appended to, one JSON line each."`
	Arguments string   `yaml:"arguments" jsonschema:"enum=read,enum=none,default=read" jsonschema_description:"Which arguments a record holds: those that rules could read, secrets masked, so that the decision can be explained; or none."`
	Results   string   `yaml:"results" jsonschema:"enum=read,enum=none,default=none" jsonschema_description:"Which parts of servers' answers a record holds: those that rules of the response phase could read, secrets masked, so that their decisions can be replayed; or none."`
	Encrypt   *Encrypt `yaml:"encrypt" jsonschema_description:"Seal what was in messages, so that only who has an identity of age can read it. A change needs a restart."`
}

// Encrypt says for whom records are sealed.
type Encrypt struct {
	Recipients []string `yaml:"recipients" jsonschema:"minItems=1,maxItems=16" jsonschema_description:"Who can read it: recipients of age, such as age1... Each of them can alone."`
	File       string   `yaml:"file" jsonschema:"minLength=1" jsonschema_description:"A file that names recipients, one in a line. It is read at the start."`
}

// Bundle says which bundle is taken, and how it is fetched.
type Bundle struct {
	Trust    string `yaml:"trust" jsonschema:"minLength=1" jsonschema_description:"The file that says whose signatures are trusted: a trust file, or public keys in PEM of which any one will do."`
	State    string `yaml:"state" jsonschema:"minLength=1" jsonschema_description:"A directory that holds the bundle that was active last, so that no older one is taken, and the gateway can start while the other can't be used. It is made with mode 0700."`
	Audience string `yaml:"audience" jsonschema:"minLength=1" jsonschema_description:"The name of this gateway, for bundles that say for which ones they are."`
	Unsigned bool   `yaml:"unsigned" jsonschema_description:"Take a bundle that nobody has signed. Whoever can replace the file then decides."`

	Poll      Duration   `yaml:"poll" jsonschema_description:"Of a bundle that is fetched: the time between two questions whether there is another, where the source doesn't tell by itself. Left out, 30s."`
	MaxAge    Duration   `yaml:"maxAge" jsonschema_description:"Of a bundle that is fetched: how long it decides without its source saying that there is no other. Past that everything is denied. Left out, forever."`
	Token     string     `yaml:"token" jsonschema:"minLength=1" jsonschema_description:"A bearer token for the web server that has the bundle. Keep it out of the file with ${NAME} or tokenFile."`
	TokenFile string     `yaml:"tokenFile" jsonschema:"minLength=1" jsonschema_description:"A file that holds the token, read anew for each question."`
	CA        string     `yaml:"ca" jsonschema:"minLength=1" jsonschema_description:"The file of the certificates that the server's or registry's certificate must chain to, PEM. Left out, the system's."`
	Candidate *Candidate `yaml:"candidate" jsonschema_description:"Policies that are tried beside those that decide."`
}

// Plugins says how plugins are run.
type Plugins struct {
	Cache string `yaml:"cache" jsonschema:"minLength=1" jsonschema_description:"A directory for compiled code, so that a large plugin loads in a tenth of a second after a restart. It is made with mode 0700, and must be nobody else's: who can write there can run code in the gateway. Left out, plugins are compiled anew at every start. A change needs a restart."`
}

// Limits bound what anybody can make the gateway spend.
type Limits struct {
	Body             Size     `yaml:"body" jsonschema_description:"Bytes of a request body."`
	Bodies           Size     `yaml:"bodies" jsonschema_description:"Bytes of all request bodies that are under way at once, at least twice limits.body. Left out, a sixteenth of the memory limit, or 256MiB without one."`
	Memory           Size     `yaml:"memory" jsonschema_description:"Bytes of all large messages that are held at once: request bodies, servers' answers and events beyond 16KiB each, and remembered lists; at least four times the largest of limits.body, responseBody, event and line. Left out, an eighth of the memory limit, or 512MiB without one."`
	Depth            int      `yaml:"depth" jsonschema:"minimum=8,maximum=1000,default=128" jsonschema_description:"Lists and objects inside each other in a message."`
	Values           int      `yaml:"values" jsonschema:"minimum=100,maximum=16777216,default=1048576" jsonschema_description:"Values in a message."`
	Header           Size     `yaml:"header" jsonschema_description:"Bytes of the head of a request."`
	Headers          int      `yaml:"headers" jsonschema:"minimum=10,maximum=1000,default=100" jsonschema_description:"Headers of a request."`
	ResponseBody     Size     `yaml:"responseBody" jsonschema_description:"Bytes of a server's answer that is not a stream."`
	Event            Size     `yaml:"event" jsonschema_description:"Bytes of one event of a server's stream."`
	Line             Size     `yaml:"line" jsonschema_description:"Bytes of one line that a command writes."`
	Cache            Memory   `yaml:"cache" jsonschema_description:"Bytes of remembered decisions, from 1MiB, or off. They are taken only where policies call plugins or have costly conditions, and twice while such policies are replaced."`
	Connections      int      `yaml:"connections" jsonschema:"minimum=1,maximum=1000000,default=4096" jsonschema_description:"Open client connections."`
	ConnectionsPerIP int      `yaml:"connectionsPerIP" jsonschema:"minimum=1,maximum=1000000" jsonschema_description:"Open connections of one address. Left out, no bound of its own."`
	Sessions         int      `yaml:"sessions" jsonschema:"minimum=1,maximum=10000,default=16" jsonschema_description:"Sessions of older clients at a time with each command, where the server doesn't say its own."`
	ReadTimeout      Duration `yaml:"readTimeout" jsonschema_description:"To receive a whole request."`
	IdleTimeout      Duration `yaml:"idleTimeout" jsonschema_description:"Between two requests on a connection."`
	WriteTimeout     Duration `yaml:"writeTimeout" jsonschema_description:"For a client to take what is written."`
	CallTimeout      Duration `yaml:"callTimeout" jsonschema_description:"For a server to answer, and between two events of a call's stream."`
	StreamTimeout    Duration `yaml:"streamTimeout" jsonschema_description:"The life of a stream."`
	AnswerTimeout    Duration `yaml:"answerTimeout" jsonschema_description:"For a client to answer what a server asked of it."`
	DrainTimeout     Duration `yaml:"drainTimeout" jsonschema_description:"For requests under way to be answered when the gateway is told to end."`
}

// Denials says how a refusal looks to the client.
type Denials struct {
	Style  string `yaml:"style" jsonschema:"enum=error,enum=result,default=error" jsonschema_description:"A denied tools/call is answered with a JSON-RPC error, or with a result that a model can read."`
	Detail string `yaml:"detail" jsonschema:"enum=none,enum=reason,enum=message,default=message" jsonschema_description:"What the client is told beside the decision's id: nothing, the rule and its reason, or its message too."`
}

// Sessions holds the key that session ids are sealed with. Without one each start makes its own, and ends all sessions.
type Sessions struct {
	Key     Key    `yaml:"key" jsonschema_description:"32 bytes in base64 or hex. Replicas that serve the same clients need the same one."`
	KeyFile string `yaml:"keyFile" jsonschema:"minLength=1" jsonschema_description:"A file that holds the key, in place of the key."`
}

// Log describes the operational log.
type Log struct {
	Level  string `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error,default=info" jsonschema_description:"The least severe message that is written."`
	Format string `yaml:"format" jsonschema:"enum=auto,enum=json,enum=console,default=auto" jsonschema_description:"JSON lines, or text for people; auto writes text on a terminal."`
}

// Default returns a Config as it is where the file says nothing. It has no servers and lets nobody in.
func Default() Config {
	return Config{
		Listen:   "127.0.0.1:8080",
		Admin:    Admin{Listen: "127.0.0.1:9090"},
		Bundle:   Bundle{Poll: Duration(30 * time.Second)},
		Identity: Identity{Anonymous: "deny"},
		Audit:    Audit{Arguments: "read", Results: "none"},
		Limits: Limits{
			Body: 4 << 20, Depth: 128, Values: 1 << 20, Header: 16 << 10, Headers: 100, ResponseBody: 16 << 20, Event: 4 << 20, Line: 4 << 20, Cache: 16 << 20,
			Connections: 4096, Sessions: 16,
			ReadTimeout: Duration(20 * time.Second), IdleTimeout: Duration(time.Minute), WriteTimeout: Duration(30 * time.Second),
			CallTimeout: Duration(time.Minute), StreamTimeout: Duration(time.Hour), AnswerTimeout: Duration(10 * time.Minute),
			DrainTimeout: Duration(10 * time.Second),
		},
		Pins:    "enforce",
		Denials: Denials{Style: "error", Detail: "message"},
		Log:     Log{Level: "info", Format: "auto"},
	}
}

// fill sets what a file left out of its lists and maps, where Default cannot reach.
func (c *Config) fill() {
	c.fillCandidate()
	c.fillDiscovery()
	for name, s := range c.Servers {
		s.fill(&c.Limits, c.node.Get("servers").Get(name))
		c.Servers[name] = s
	}
	for i := range c.RateLimits {
		if l := &c.RateLimits[i]; l.Burst == 0 {
			l.Burst = l.Rate.Count
		}
	}
	for i := range c.Identity.JWT {
		j := &c.Identity.JWT[i]
		if j.Algorithms == nil {
			j.Algorithms = []string{"RS256", "ES256"}
		}
		if j.ClockSkew == 0 {
			j.ClockSkew = Duration(time.Minute)
		}
	}
}

// At returns the place of a field by its path, such as At("servers", "files", "url"). A path that the file doesn't have gives the place of the deepest
// field that it has.
func (c *Config) At(path ...string) source.Pos { return c.node.Find(path...).Pos() }
