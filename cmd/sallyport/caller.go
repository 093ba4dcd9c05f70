package main

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// callerFlags say who is asked about.
type callerFlags struct {
	As    string   `placeholder:"WHO" help:"The caller: the id of an API key of the config, a token's subject, a .json file with the claims of a token, or anonymous."`
	Group []string `sep:"none" placeholder:"NAME" help:"A group of the caller, as a token would say it. May be repeated."`
	Role  []string `sep:"none" placeholder:"NAME" help:"A role of the caller, likewise."`
	Scope []string `sep:"none" placeholder:"NAME" help:"A scope of the caller's token, likewise."`
	Claim []string `sep:"none" placeholder:"NAME=VALUE" help:"Another claim of the token. A value that is JSON is taken as that, any other as text."`
}

// given says whether anything is said of the caller.
func (c *callerFlags) given() bool {
	return c.As != "" || len(c.Group)+len(c.Role)+len(c.Scope)+len(c.Claim) > 0
}

// principal makes the caller, as identity would.
func (c *callerFlags) principal(conf *config.Config) (*engine.Principal, error) {
	described := len(c.Group)+len(c.Role)+len(c.Scope)+len(c.Claim) > 0
	switch {
	case c.As == "":
		return nil, failf(exitUsage, "who is it about? Say --as WHO")
	case c.As == engine.KindAnonymous && !described:
		return &engine.Principal{Kind: engine.KindAnonymous}, nil
	case strings.HasSuffix(c.As, ".json"):
		return c.fromFile(described)
	}
	if !described && conf != nil {
		for _, k := range conf.Identity.APIKeys {
			if k.ID == c.As {
				return holder(k)
			}
		}
	}
	return c.fromFlags()
}

func (c *callerFlags) fromFile(described bool) (*engine.Principal, error) {
	if described {
		return nil, failf(exitUsage, "the claims are those of %s: say no others", c.As)
	}
	data, err := os.ReadFile(c.As)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	return subject(c.As, data)
}

func (c *callerFlags) fromFlags() (*engine.Principal, error) {
	claims := map[string]any{"sub": c.As}
	if len(c.Group) > 0 {
		claims["groups"] = c.Group
	}
	if len(c.Role) > 0 {
		claims["roles"] = c.Role
	}
	if len(c.Scope) > 0 {
		claims["scope"] = strings.Join(c.Scope, " ")
	}
	for _, text := range c.Claim {
		name, value, ok := strings.Cut(text, "=")
		if _, said := claims[name]; !ok || name == "" || said {
			return nil, failf(exitUsage, "--claim %s: want NAME=VALUE, each name once", text)
		}
		claims[name] = value
		if new(jsonscan.Doc).Scan([]byte(value), jsonscan.Options{}) == nil {
			claims[name] = json.RawMessage(value)
		}
	}
	data, err := json.Marshal(claims)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	return subject("--as "+c.As, data)
}

// subject is the principal of a token with these claims.
func subject(where string, claims []byte) (*engine.Principal, error) {
	doc := new(jsonscan.Doc)
	if err := doc.Scan(claims, jsonscan.Options{}); err != nil {
		return nil, failf(exitUsage, "%s: %w", where, err)
	}
	p, err := identity.Subject(doc.Root())
	if err != nil {
		return nil, failf(exitUsage, "%s: %w", where, err)
	}
	return p, nil
}

// holder is the principal of an API key of the config.
func holder(k config.APIKey) (*engine.Principal, error) {
	var claims jsonscan.Value
	if k.Claims != nil {
		data, err := json.Marshal(k.Claims)
		if err != nil {
			return nil, failf(exitInvalid, "api key %q: claims: %w", k.ID, err)
		}
		doc := new(jsonscan.Doc)
		if err := doc.Scan(data, jsonscan.Options{}); err != nil {
			return nil, failf(exitInvalid, "api key %q: claims: %w", k.ID, err)
		}
		claims = doc.Root()
	}
	p, err := identity.Holder(k.ID, claims)
	if err != nil {
		return nil, failf(exitInvalid, "api key %q: %w", k.ID, err)
	}
	return p, nil
}

// policySource says where policies are that a command asks, of a gateway that need not run.
type policySource struct {
	Config   string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"The config file, which names policies, servers and API keys. Default: ./sallyport.yaml, unless --policies is given."`
	Policies string `placeholder:"PATH" help:"The policies, in place of the config's."`
}

// asked is what a command asks: policies, and the config around them if there is one.
type asked struct {
	*engine.Snapshot
	config *config.Config // nil: none
	lock   *toolset.Lock  // nil: none
	known  []thing
}

// open compiles the policies. done lets go of them.
func (c *policySource) open(p *process) (a *asked, done func(), err error) {
	a = &asked{}
	o := origin{config: c.Config, policies: c.Policies}
	if o.config == "" && o.policies == "" {
		o.config = "sallyport.yaml"
	}
	if o.config != "" {
		if a.config, err = o.readConfig(p.getenv); err != nil {
			return nil, nil, err
		}
	}
	path, options := c.Policies, engine.Options{}
	if a.config != nil {
		if path, err = atHand(a.config); err != nil {
			return nil, nil, err
		}
		options.Servers = serverNames(a.config)
	}
	if path == "" {
		return nil, nil, failf(exitUsage, "the config names no policies: give --policies")
	}
	b, err := readBundle(path)
	if err != nil {
		return nil, nil, err
	}
	a.Snapshot, done, err = compileOnce(p.ctx, b, options)
	if err != nil {
		if done != nil {
			done()
		}
		return nil, nil, err
	}
	a.lock = b.Lock
	a.known = knownThings(b, options.Servers)
	return a, done, nil
}
