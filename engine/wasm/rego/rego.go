// Package rego is what a module that OPA has compiled from Rego needs of its host: the values of
// the language, as such modules write and read them, and the builtins that they leave to the host.
//
// Every builtin here is a function of its arguments, but for time.now_ns, which gives the time of
// the decision. What reaches out of the module, or would answer otherwise on another machine, is
// not here.
package rego

import (
	"encoding/binary"
	"errors"
)

// DataSection is the custom section that holds the base document, a JSON object.
const DataSection = "sallyport.data"

// manifestSection is hostapi.ManifestSection, which a test compares.
const manifestSection = "sallyport.manifest"

var (
	errNoModule = errors.New("not a WebAssembly module")
	errNotWhole = errors.New("the module's last section isn't whole")
)

// Attach returns a module with a manifest and a base document in it, each unless it is nil, for what
// OPA builds has neither. The rest stays as it is. A module that isn't whole is refused: what is
// attached would become part of its last section.
func Attach(module, manifest, data []byte) ([]byte, error) {
	if len(module) < 8 || string(module[:4]) != "\x00asm" {
		return nil, errNoModule
	}
	if !whole(module[8:]) {
		return nil, errNotWhole
	}
	out := append(make([]byte, 0, len(module)+len(manifest)+len(data)+64), module...)
	if manifest != nil {
		out = appendCustom(out, manifestSection, manifest)
	}
	if data != nil {
		out = appendCustom(out, DataSection, data)
	}
	return out, nil
}

// whole says whether sections end where their bytes do.
func whole(sections []byte) bool {
	for len(sections) > 0 {
		size, n := binary.Uvarint(sections[1:])
		if n <= 0 || size > uint64(len(sections)-1-n) {
			return false
		}
		sections = sections[1+n+int(size):]
	}
	return true
}

func appendCustom(out []byte, name string, content []byte) []byte {
	head := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	out = binary.AppendUvarint(append(out, 0), uint64(len(head)+len(content)))
	return append(append(out, head...), content...)
}

// Call is what a builtin has beside its arguments.
type Call struct {
	// Now is the time of the decision, in nanoseconds since 1970.
	Now int64
	// Charge spends fuel, and does not return when there is none left. A builtin charges for what
	// it is about to do, where that is more than looking at its arguments once.
	Charge func(units int64)
	Cache  *Cache
}

// Builtin is a function that modules leave to their host. What it is given and can't be computed on
// is Undefined; an error ends the call of the plugin.
type Builtin struct {
	Name  string
	Args  int
	Clock bool // gives the time
	Do    func(c *Call, args []Value) (Value, error)
}

// Find returns a builtin, or nil and why there is none.
func Find(name string) (*Builtin, string) {
	for i := range builtins {
		for k := range builtins[i] {
			if b := &builtins[i][k]; b.Name == name {
				return b, ""
			}
		}
	}
	if why, ok := refused[name]; ok {
		return nil, why
	}
	return nil, "which this host doesn't have"
}

// Names returns the names of the builtins.
func Names() []string {
	var out []string
	for _, list := range builtins {
		for i := range list {
			out = append(out, list[i].Name)
		}
	}
	return out
}

var builtins = [...][]Builtin{texts, digests, times, others}

const (
	reachesOut = "which reaches out of the sandbox"
	byChance   = "whose result is chance"
	ofMachine  = "whose result depends on the machine"
)

// refused are the builtins that there are good reasons not to have.
var refused = map[string]string{
	"http.send": reachesOut, "net.lookup_ip_addr": reachesOut, "providers.aws.sign_req": reachesOut,
	"json.match_schema": reachesOut, "json.verify_schema": reachesOut, // a schema may refer to another by URL
	"rand.intn": byChance, "uuid.rfc4122": byChance, "io.jwt.encode_sign": byChance, "io.jwt.encode_sign_raw": byChance,
	"opa.runtime": ofMachine, "io.jwt.decode_verify": ofMachine,
	"crypto.x509.parse_and_verify_certificates":              ofMachine,
	"crypto.x509.parse_and_verify_certificates_with_options": ofMachine,
}
