package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/replay"
)

type replayCommand struct {
	Traffic   traffic   `embed:""`
	Bundle    string    `placeholder:"PATH" help:"The policies that decide now: a bundle or a directory. Default: the config's."`
	Config    string    `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"The config file, which names records and policies. Default: ./sallyport.yaml."`
	Threshold threshold `embed:""`
	Output    string    `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// traffic says which recorded calls are looked at.
type traffic struct {
	Audit  []string `placeholder:"FILE" help:"The records, oldest file first, in place of the config's."`
	Since  string   `placeholder:"TIME" help:"From when on: a time (2026-11-22T08:00:00Z), or how long ago (24h). Default: all."`
	Until  string   `placeholder:"TIME" help:"Until when, likewise."`
	Reader reader   `embed:""`
}

// threshold says how many decisions may change.
type threshold struct {
	MaxNewDenies  *int `placeholder:"N" help:"Exit with 9 if more calls than these are decided more strictly."`
	MaxNewAllows  *int `placeholder:"N" help:"Exit with 9 if more calls than these are decided less strictly."`
	MaxUnreplayed *int `placeholder:"N" help:"Exit with 9 if more calls than these can't be decided again."`
}

func (c replayCommand) Run(p *process) error {
	name := "--bundle"
	if c.Bundle == "" {
		name = "policies"
	}
	options, err := c.places(p)
	if err != nil {
		return err
	}
	b, err := readNamed(name, c.Bundle, nil)
	if err != nil {
		return err
	}
	s, done, err := compileOnce(p.ctx, b, options)
	if done != nil {
		defer done()
	}
	if err != nil {
		return err
	}
	report, err := c.Traffic.replay(p, s, nil)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		err = writeJSON(p.stdout, report)
	} else {
		err = writeReplay(p.stdout, report)
	}
	return errors.Join(err, c.Threshold.check("", report))
}

// places takes from the config what the command line leaves open, and what a lock of tools is there.
func (c *replayCommand) places(p *process) (o engine.Options, err error) {
	if len(c.Traffic.Audit) > 0 && c.Bundle != "" && c.Config == "" {
		return o, nil
	}
	from := origin{config: cmp.Or(c.Config, "sallyport.yaml"), policies: c.Bundle, override: func(f *config.Config) {
		if len(c.Traffic.Audit) == 0 {
			c.Traffic.Audit = []string{f.Audit.File}
		}
	}}
	f, err := from.readConfig(p.getenv)
	if err != nil {
		return o, err
	}
	if f.Pins == "shadow" {
		o.Pins = engine.PinsShadow
	}
	if c.Bundle, err = atHand(f); err != nil {
		return o, err
	}
	if c.Traffic.Audit[0] == "" || c.Bundle == "" {
		return o, failf(exitUsage, "the config names no record file or no policies: give --audit and --bundle")
	}
	return o, nil
}

// replay decides what is recorded again. against is nil for what was recorded.
func (t *traffic) replay(p *process, s, against *engine.Snapshot) (*replay.Report, error) {
	since, err := t.at(p, "--since", t.Since)
	if err != nil {
		return nil, err
	}
	until, err := t.at(p, "--until", t.Until)
	if err != nil {
		return nil, err
	}
	files, err := openAll(t.Audit)
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	open, err := t.Reader.open(files)
	if err != nil {
		return nil, err
	}
	readers := make([]io.Reader, len(files))
	for i, f := range files {
		readers[i] = f
	}
	report, err := replay.Run(p.ctx, s, readers, replay.Options{Since: since, Until: until, Against: against, Open: open})
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w", strings.Join(t.Audit, ", "), err)
	case report.Decisions == 0:
		return nil, failf(exitUnexpected, "%s: no decisions in that time: nothing is known of what would change", strings.Join(t.Audit, ", "))
	}
	return report, nil
}

// at is the time that a flag means; zero if it is left out.
func (t *traffic) at(p *process, flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return p.now().Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, failf(exitUsage, "%s: %q is neither a time, such as 2026-11-22T08:00:00Z, nor how long ago, such as 24h", flag, text)
	}
	return at, nil
}

// check gives the exit code of a replay that has come to more than it may.
func (t *threshold) check(of string, r *replay.Report) error {
	if r == nil {
		return nil
	}
	var over []string
	for _, x := range []struct {
		what string
		n    int
		most *int
	}{
		{"new allows", r.NewAllows, t.MaxNewAllows},
		{"new denies", r.NewDenies, t.MaxNewDenies},
		{"that can't be replayed", r.Unreplayed(), t.MaxUnreplayed},
	} {
		if x.most != nil && x.n > *x.most {
			over = append(over, fmt.Sprintf("%d %s, where %d may be", x.n, x.what, *x.most))
		}
	}
	if over == nil {
		return nil
	}
	return failf(exitThreshold, "%s%s", of, strings.Join(over, "; "))
}

// maxFlips is how many groups of a direction are shown.
const maxFlips = 20

func writeReplay(w io.Writer, r *replay.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d decisions, %d replayed, %d not replayable, %d refused before policy\n", r.Decisions, r.Replayed, r.Unreplayed(), r.NoPolicy)
	fmt.Fprintf(&b, "%d flips: %d new allows, %d new denies\n", r.NewAllows+r.NewDenies, r.NewAllows, r.NewDenies)
	if r.OtherRule > 0 {
		fmt.Fprintf(&b, "%d come to the same by another rule\n", r.OtherRule)
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(&b, "%d lines are no records\n", r.Unreadable)
	}
	writeFlips(&b, r.Flips)
	if len(r.NotReplayable) > 0 {
		fmt.Fprintf(&b, "\nnot replayable\n")
	}
	for _, why := range slices.SortedFunc(maps.Keys(r.NotReplayable), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.NotReplayable[b], r.NotReplayable[a]), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(&b, "  %6d  %s%s\n", r.NotReplayable[why], visible(why), prefixed(": ", unreplayed[why]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// unreplayed says in words why a decision can't be made again.
var unreplayed = map[string]string{
	audit.InputsMasked:      "rules could read a secret",
	audit.InputsTruncated:   "rules could read more than is recorded of a call",
	audit.InputsNotRecorded: "rules read what those before did not, or what is not recorded at all",
	"inputs_unknown":        "a rule chose by another value which header to read",
	audit.InputsSealed:      "what was in the message is sealed: give --identity",
	replay.SealOthers:       "what was in the message was sealed for others than the identity that was given",
	replay.SealNoKey:        "the record of the key that it was sealed with is not there: it stands in an older file",
	replay.SealEdited:       "the record was edited after it was sealed",
	replay.InputsInvalid:    "the recorded inputs contradict each other",
	replay.PluginChanged:    "a plugin, its settings or what it is given has changed",
	replay.PluginNotAsked:   "a plugin would be asked that was not asked then",
	replay.ToolNotKnown:     "the lock of tools holds its server, and what that said of the tool is not recorded",
	replay.PluginRewrote:    "rules or plugins would see a message as a plugin has changed it",
	"plugins_asked":         "more plugins were asked than are recorded",
	limit.ReasonLimited:     "policy allowed it, and a rate limit was used up",
	limit.ReasonNotComputed: "policy allowed it, and a rate limit could not tell what it counts as",
	limit.ReasonStore:       "policy allowed it, and a rate limit could not be asked",
}

// writeFlips lists groups of flips under their direction.
func writeFlips(b *strings.Builder, flips []replay.Flip) {
	for len(flips) > 0 {
		same := slices.IndexFunc(flips, func(f replay.Flip) bool { return f.Was != flips[0].Was || f.Is != flips[0].Is })
		if same < 0 {
			same = len(flips)
		}
		total := 0
		for _, f := range flips[:same] {
			total += f.Count
		}
		fmt.Fprintf(b, "\n%s -> %s: %d\n", flips[0].Was, flips[0].Is, total)
		for i := range flips[:min(same, maxFlips)] {
			if f := &flips[i]; i == 0 || f.WasRule != flips[i-1].WasRule || f.IsRule != flips[i-1].IsRule {
				fmt.Fprintf(b, "  %s -> %s\n", visible(cmp.Or(f.WasRule, "no rule")), visible(cmp.Or(f.IsRule, "no rule")))
			}
			writeFlip(b, &flips[i])
		}
		if same > maxFlips {
			fmt.Fprintf(b, "  and %d groups more\n", same-maxFlips)
		}
		flips = flips[same:]
	}
}

func writeFlip(b *strings.Builder, f *replay.Flip) {
	about := f.Name
	if f.Server != "" {
		about = f.Server + prefixed("/", f.Name)
	}
	if f.Method != "tools/call" {
		about = strings.TrimSpace(f.Method + " " + about)
	}
	if f.Phase == "response" {
		about += " (the answer)"
	}
	if f.Principal != "" {
		fmt.Fprintf(b, "  %6d  %s  %s  %s\n", f.Count, visible(about), visible(f.Principal), strings.Join(f.Examples, " "))
		return
	}
	fmt.Fprintf(b, "  %6d  %s\n", f.Count, visible(about))
	for _, values := range f.Examples {
		fmt.Fprintf(b, "          %s\n", visible(values))
	}
}
