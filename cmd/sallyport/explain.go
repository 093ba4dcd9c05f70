package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/replay"
)

type explainCommand struct {
	What     string `arg:"" name:"id|code" help:"A decision id, as records and denials give it; or a diagnostic's code, such as SP1002."`
	Config   string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"The config file, which names records and policies. Default: ./sallyport.yaml."`
	Audit    string `placeholder:"FILE" help:"The records, in place of the config's."`
	Policies string `placeholder:"PATH" help:"The policies, in place of the config's."`
	Reader   reader `embed:""`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report a decision: text or json."`
}

func (c explainCommand) Run(p *process) error {
	if strings.HasPrefix(strings.ToUpper(c.What), "SP") && len(c.What) == len("SP1002") {
		return c.page(p)
	}
	id, ok := audit.ParseID(strings.ToUpper(c.What))
	if !ok {
		return failf(exitUsage, "%q is neither a decision id nor a diagnostic's code", c.What)
	}
	file, path, err := c.places(p)
	if err != nil {
		return err
	}
	entry, err := findEntry(file, id, c.Reader)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return explainJSON(p, entry, path)
	}
	return explain(p, &entry.Record, path)
}

func (c explainCommand) page(p *process) error {
	id := strings.ToUpper(c.What)
	text, ok := source.Page(id)
	if !ok {
		return failf(exitUsage, "there is no code %s", id)
	}
	_, err := io.WriteString(p.stdout, text)
	return err
}

// places says where records and policies are.
func (c explainCommand) places(p *process) (file, policies string, err error) {
	if c.Audit != "" && c.Policies != "" {
		return c.Audit, c.Policies, nil
	}
	o := origin{config: c.Config, policies: c.Policies, override: func(f *config.Config) {
		if c.Audit != "" {
			f.Audit.File = c.Audit
		}
	}}
	if o.config == "" {
		o.config = "sallyport.yaml"
	}
	f, err := o.readConfig(p.getenv)
	if err != nil {
		return "", "", err
	}
	if f.Audit.File == "" || f.Policies == "" {
		return "", "", failf(exitUsage, "the config names no record file or no policies: give --audit and --policies")
	}
	policies, err = atHand(f)
	return f.Audit.File, policies, err
}

// findRecord gives the first record of a decision: the one that says what was decided, and on what.
func findRecord(name string, id audit.ID, as reader) (*audit.Record, error) {
	e, err := findEntry(name, id, as)
	if err != nil {
		return nil, err
	}
	return &e.Record, nil
}

func findEntry(name string, id audit.ID, as reader) (*audit.Entry, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	open, err := as.open([]*os.File{f})
	if err != nil {
		return nil, err
	}
	entries, err := audit.Find(f, id, open)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(entries) == 0 {
		return nil, failf(exitUnexpected, "%s has no decision %s", name, id)
	}
	return &entries[0], nil
}

// explain decides a recorded request again, and shows what each rule saw.
func explain(p *process, r *audit.Record, policies string) error {
	writeRecord(p.stdout, r)
	if r.Revision == "" {
		fmt.Fprintf(p.stdout, "\nrefused before any policy was asked: %s\n", r.Reason)
		return nil
	}
	if r.Sealed {
		return writeSealed(p.stdout, r)
	}
	s, done, err := policiesAgain(p, policies)
	if err != nil {
		return err
	}
	defer done()
	if s.Revision() != r.Revision {
		fmt.Fprintf(p.stdout, "\nnote: decided by revision %s; what follows is revision %s\n", short(r.Revision), short(s.Revision()))
	}
	switch {
	case r.Limit != "":
		fmt.Fprintf(p.stdout, "\nnote: policy allowed it; the rate limit %s refused it (%s), with %d left\n", r.Limit, r.Reason, r.Remaining)
	case r.Reason == r.NotReplayable && r.Reason != "":
		fmt.Fprintf(p.stdout, "\nnote: it was not policy that refused it (%s)\n", r.Reason)
	case r.NotReplayable != "":
		fmt.Fprintf(p.stdout, "\nnote: the record does not hold all that was decided on (%s)\n", r.NotReplayable)
	}
	q, err := new(replay.Builder).Request(r)
	if err != nil {
		return err
	}
	x := s.Explain(p.ctx, q, secretMask())
	if _, err := fmt.Fprintf(p.stdout, "\n%s", x.Text()); err != nil {
		return err
	}
	switch reason := x.Decision.Reason; {
	case x.Decision.Allowed():
		return writeRefusing(p.stdout, r)
	case reason == engine.ReasonToolChanged || reason == engine.ReasonToolUnpinned:
		_, err := fmt.Fprintf(p.stdout, "\nwould be decided by rules if %s had the tool as its server describes it: sallyport tools lock --check\n", toolset.FileName)
		return err
	}
	return writeChanges(p.stdout, s.Changes(p.ctx, q, secretMask()))
}

// policiesAgain compiles the policies that a recorded decision is explained by. done ends their use.
func policiesAgain(p *process, path string) (s *engine.Snapshot, done func(), err error) {
	b, err := readBundle(path)
	if err != nil {
		return nil, nil, err
	}
	s, done, err = compileOnce(p.ctx, b, engine.Options{})
	if err != nil && done != nil {
		done()
	}
	return s, done, err
}

// writeSealed says what is known of a decision without what it was made on.
func writeSealed(w io.Writer, r *audit.Record) error {
	by := "no rule"
	if r.Rule != "" {
		by = r.Policy + "/" + r.Rule
	}
	_, err := fmt.Fprintf(w, "\ndecided by %s, revision %s; what was in the message is sealed: --identity FILE opens it\n", by, short(r.Revision))
	return err
}

// explained is a recorded decision with its explanation, as programs get it: docs/records.md describes it.
type explained struct {
	Record       json.RawMessage `json:"record"`        // the line of the log
	SamePolicies bool            `json:"same_policies"` // the policies are those that decided it
	Complete     bool            `json:"complete"`      // the record holds all that was decided on
	Decided      *evaluated      `json:"decided,omitempty"`
}

// explainJSON is explain for programs.
func explainJSON(p *process, e *audit.Entry, policies string) error {
	r := &e.Record
	out := explained{Record: e.Line}
	if r.Revision == "" || r.Sealed { // no policy was asked, or what it was asked can't be read
		return encode(p.stdout, out)
	}
	s, done, err := policiesAgain(p, policies)
	if err != nil {
		return err
	}
	defer done()
	q, err := new(replay.Builder).Request(r)
	if err != nil {
		return err
	}
	out.SamePolicies, out.Complete = s.Revision() == r.Revision, r.NotReplayable == ""
	x := s.Explain(p.ctx, q, secretMask())
	out.Decided = newEvaluated(&x.Decision, &x, s.Changes(p.ctx, q, secretMask()))
	return encode(p.stdout, out)
}

// writeRefusing says which plugins stood against what the rules allow.
func writeRefusing(w io.Writer, r *audit.Record) error {
	for _, x := range r.Plugins {
		if !x.Shadow && (x.Verdict == "deny" || x.Verdict == "approve") {
			if _, err := fmt.Fprintf(w, "\nwould be allowed if plugin %s (%s/%s) let it pass\n", x.Name, x.Policy, x.Rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxChanges is how many changes are shown, the simplest.
const maxChanges = 5

// writeChanges says what would have allowed a message.
func writeChanges(w io.Writer, changes []engine.Change) error {
	text := "\nno change of its arguments or its caller alone would have it allowed\n"
	for i, c := range changes {
		switch {
		case i == 0:
			text = "\nwould be allowed if " + c.When.String() + "\n"
		case i < maxChanges:
			text += "                or if " + c.When.String() + "\n"
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// secretMask hides what records would not hold either.
func secretMask() engine.Mask {
	mask := audit.NewMasker()
	return func(name, value string) string {
		if mask.Secret(lastPart(name)) {
			return "[redacted]"
		}
		return mask.Text(value)
	}
}

func writeRecord(w io.Writer, r *audit.Record) {
	fmt.Fprintf(w, "decision   %s\n", r.DecisionID)
	fmt.Fprintf(w, "time       %s\n", r.Time.UTC().Format("2006-01-02 15:04:05.000 MST"))
	who := r.PrincipalID
	if who == "" {
		who = r.PrincipalKind
	}
	for _, f := range [][2]string{
		{"principal", who},
		{"server", r.Server},
		{"method", r.Method},
		{"tool", r.Tool},
		{"prompt", r.Prompt},
		{"resource", r.Resource},
		{"effect", r.Effect},
		{"reason", r.Reason},
		{"message", r.Message},
		{"cause", r.Cause},
		{"cache", r.Cache},
	} {
		if f[1] != "" {
			fmt.Fprintf(w, "%-10s %s\n", f[0], f[1])
		}
	}
	for i := range r.Plugins {
		writePlugin(w, &r.Plugins[i])
	}
}

// writePlugin says what a plugin has said.
func writePlugin(w io.Writer, p *audit.Plugin) {
	fmt.Fprintf(w, "plugin     %s %s, by %s/%s: %s", p.Name, p.Version, p.Policy, p.Rule, p.Verdict)
	for _, part := range []string{p.Reason, p.Message, p.Failure} {
		if part != "" {
			fmt.Fprintf(w, ": %s", part)
		}
	}
	fmt.Fprintln(w)
	for _, n := range p.Notes {
		fmt.Fprintf(w, "           %s: %s\n", n.Key, n.Text)
	}
	for _, x := range p.Patch {
		fmt.Fprintf(w, "           %s %s %s\n", x.Op, x.Path, x.JSON)
	}
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func short(revision string) string {
	if _, digits, ok := strings.Cut(revision, ":"); ok && len(digits) > 12 {
		return digits[:12]
	}
	return revision
}
