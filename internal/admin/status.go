package admin

import (
	"encoding/json"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Status is the gateway's state as /admin/v1/status shows it. Times are RFC 3339 in UTC.
type Status struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Revision string    `json:"revision"` // of the policies that decide
	Loaded   time.Time `json:"loaded"`   // when they began to
	Reload   Reload    `json:"lastReload"`
	Servers  []Server  `json:"servers"`
	// Registries are those of servers that are asked over the network.
	Registries []Registry `json:"registries,omitempty"`
	Plugins    []Plugin   `json:"plugins,omitempty"`
	Audit      Audit      `json:"audit"`
}

// Registry is a registry of servers. What it has said last counts on while it is not up.
type Registry struct {
	From  string `json:"from"` // without what may be a secret in it
	Up    bool   `json:"up"`   // it has answered the last question
	Error string `json:"error,omitempty"`
	// When, and how long ago, it has said that there is nothing else than what is known of it; nothing if it never has.
	Confirmed  *time.Time `json:"confirmed,omitempty"`
	AgeSeconds *int64     `json:"ageSeconds,omitempty"`
	Copy       bool       `json:"copy,omitempty"` // what is known was kept from before the gateway started, or by another
}

// Reload is how the last attempt to load a configuration went. When it failed, the one before it is still in use.
type Reload struct {
	OK          bool               `json:"ok"`
	Time        time.Time          `json:"time"`
	Error       string             `json:"error,omitempty"`
	Diagnostics source.Diagnostics `json:"diagnostics,omitempty"`
}

// Bundle is a set of policies, and how the last attempt to replace it went. Of a directory of policies there is less to say than of a bundle in one file.
type Bundle struct {
	Source   string    `json:"source"` // what the config names
	Name     string    `json:"name,omitempty"`
	Version  int64     `json:"version,omitempty"`
	Revision string    `json:"revision"`
	SignedBy []string  `json:"signedBy,omitempty"`
	Audience []string  `json:"audience,omitempty"`
	Expires  string    `json:"expires,omitempty"`
	Expired  bool      `json:"expired,omitempty"`  // since it was activated
	Cases    int       `json:"cases,omitempty"`    // of its own, which have passed
	Active   time.Time `json:"active"`             // since when it decides
	Took     *Took     `json:"took,omitempty"`     // to get ready; nil: there are no policies
	Chosen   *Chosen   `json:"chosen,omitempty"`   // an operator has chosen it, whatever source gives
	LastGood bool      `json:"lastGood,omitempty"` // it is the copy of the bundle that was active last, because source can't be used
	// Of a bundle that is fetched: how long ago its source said that there is no other, whether that is so long that everything is denied,
	// and why the last question had no answer.
	AgeSeconds  *int64 `json:"ageSeconds,omitempty"`
	Stale       bool   `json:"stale,omitempty"`
	SourceError string `json:"sourceError,omitempty"`
	Last        Reload `json:"lastReload"`
	Text        string `json:"text,omitempty"` // why the last attempt failed, as commands print it
}

// Took is how long policies took to get ready, in ms: to be read, and verified if they are in one file; to be compiled, with their plugins;
// to pass their own cases. Rests, in which calls are given way to, are part of it.
type Took struct {
	ReadMS    int64 `json:"readMs"`
	CompileMS int64 `json:"compileMs"`
	CasesMS   int64 `json:"casesMs"`
}

// Chosen says who has chosen a bundle, and when.
type Chosen struct {
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// Plugin is what is loaded under a plugin's name.
type Plugin struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Module   string   `json:"module"` // digest
	Calls    uint64   `json:"calls"`
	Failures uint64   `json:"failures"`
	Ejected  string   `json:"ejected,omitempty"`  // why it is not asked any more
	Withheld []string `json:"withheld,omitempty"` // capabilities that it asks for and is not granted
	Lowered  []string `json:"lowered,omitempty"`  // limits that are lower than it asks for
}

// Server is one server, and its state.
type Server struct {
	Name      string   `json:"name"`
	Version   string   `json:"version,omitempty"` // of several
	Source    string   `json:"source"`            // config, directory, registry, admin or inprocess
	From      string   `json:"from,omitempty"`    // what says that there is one: a file, or who
	Listing   *Listing `json:"listing,omitempty"` // what a registry says of it
	State     string   `json:"state"`             // serving, quarantined (nobody has approved it as it is), or refused: it can't be used
	Digest    string   `json:"digest,omitempty"`  // of what was written there
	Approved  string   `json:"approvedBy,omitempty"`
	Address   string   `json:"address,omitempty"`
	Transport string   `json:"transport,omitempty"` // http, stdio or inprocess
	Up        bool     `json:"up"`
	Error     string   `json:"error,omitempty"`
	Over      []string `json:"passedOver,omitempty"` // others of its name, by where they stand
	// Mistakes are why it is refused, or why what is there now is not what is served.
	Mistakes source.Diagnostics `json:"mistakes,omitempty"`
	// Of a server that is asked about itself: when, the revisions of MCP that it speaks, the era of the newest, and how many tools it has.
	Probed    *time.Time `json:"probed,omitempty"`
	Era       string     `json:"era,omitempty"` // modern or legacy
	Protocols []string   `json:"protocolVersions,omitempty"`
	Tools     *int       `json:"tools,omitempty"`

	Since    *time.Time `json:"since,omitempty"`       // it was found up, or down; nil: nobody has called it yet
	InFlight int        `json:"inFlight,omitempty"`    // calls under way
	Waiting  int        `json:"waiting,omitempty"`     // calls that wait for one of those to end
	Breaker  string     `json:"breaker,omitempty"`     // closed, half-open or open
	Conns    int        `json:"connections,omitempty"` // open to it, or its processes
}

// Listing is what a registry says of a server.
type Listing struct {
	Name        string `json:"name"` // that it has there
	Version     string `json:"version,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Status      string `json:"status,omitempty"` // deprecated
}

// Tool is one tool of a server, as the server or the lock of tools describes it.
type Tool struct {
	Server      string          `json:"server"`
	Name        string          `json:"name"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Annotations json.RawMessage `json:"annotations,omitempty"`
	Hash        string          `json:"hash"`
	// Lock says how the lock of tools has it: locked, changed (its server describes it otherwise), unlocked (it isn't there), gone (its server
	// doesn't have it any more); nothing if the server is not in the lock.
	Lock string `json:"lock,omitempty"`
	// Known says from whom it is known: the server was asked (probe), has told clients (list), or only the lock has it (lock).
	Known string `json:"known"`
}

// Audit is the state of the audit log. Seq and Head, kept elsewhere, show whether the file was cut.
type Audit struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	File    string `json:"file,omitempty"`
	Seq     uint64 `json:"seq"`
	Head    string `json:"head,omitempty"`
	Pending int    `json:"pendingBytes"`
}
