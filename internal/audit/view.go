package audit

import (
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// A Viewer reads what lines say was decided, one after another, without copying it. It is for one goroutine.
type Viewer struct {
	doc    jsonscan.Doc
	record Record
}

// View reads a line. Of the Record it fills in when, who and what, the decision, and what that was made on: inputs, and what plugins said.
// The Record is valid until the next call, and for as long as the line is not changed.
func (v *Viewer) View(line []byte) (*Record, error) {
	if err := v.doc.Scan(line, jsonscan.Options{Depth: maxNesting + 8}); err != nil {
		return nil, err
	}
	r := &v.record
	r.Reset()
	for c := v.doc.Root().Cursor(); c.Next(); {
		if !r.view(c.Name().Text(), c.Value()) {
			return nil, errNoRecord
		}
	}
	if r.Kind == 0 || r.Time.IsZero() {
		return nil, errNoRecord
	}
	return r, nil
}

// view takes one member of a line, and says whether it is what it must be.
func (r *Record) view(name string, v jsonscan.Value) bool {
	switch name {
	case "time":
		return viewTime(&r.Time, v)
	case "now":
		return viewTime(&r.Now, v)
	case "kind":
		for k, kind := range kindNames {
			if kind != "" && v.TextIs(kind) {
				r.Kind = Kind(k)
			}
		}
		return r.Kind != 0
	case "decision_id":
		id, ok := ParseID(v.Text())
		r.DecisionID = id
		return ok
	case "inputs":
		for c := v.Cursor(); c.Next(); {
			r.Inputs = append(r.Inputs, Input{Name: c.Name().Text(), JSON: c.Value().Raw()})
		}
	case "absent":
		for c := v.Cursor(); c.Next(); {
			r.Absent = append(r.Absent, c.Value().Text())
		}
	case "plugins":
		for c := v.Cursor(); c.Next(); {
			r.Plugins = append(r.Plugins, viewPlugin(c.Value()))
		}
	case "sealed": // it is the last member
		r.sealed(v)
	default:
		r.viewText(name, v)
	}
	return true
}

func (r *Record) viewText(name string, v jsonscan.Value) {
	switch name {
	case "revision":
		r.Revision = v.Text()
	case "principal":
		r.PrincipalKind, r.PrincipalID, r.Issuer = v.Get("kind").Text(), v.Get("id").Text(), v.Get("issuer").Text()
	case "source.address":
		r.SourceAddress = v.Text()
	case "mcp.method.name":
		r.Method = v.Text()
	case "server":
		r.Server = v.Text()
	case "server_version":
		r.Version = v.Text()
	case "mirror":
		r.Mirror = v.Text()
	case "gen_ai.tool.name":
		r.Tool = v.Text()
	case "tool_hash":
		r.ToolHash = v.Text()
	case "mcp.resource.uri":
		r.Resource = v.Text()
	case "gen_ai.prompt.name":
		r.Prompt = v.Text()
	case "phase":
		r.Phase = v.Text()
	case "effect":
		r.Effect = v.Text()
	case "policy":
		r.Policy = v.Text()
	case "rule":
		r.Rule = v.Text()
	case "reason":
		r.Reason = v.Text()
	case "not_replayable":
		r.NotReplayable = v.Text()
	}
}

func viewPlugin(p jsonscan.Value) Plugin {
	shadow, _ := p.Get("shadow").Bool()
	return Plugin{
		Name: p.Get("plugin").Text(), Setup: p.Get("setup").Text(), Policy: p.Get("policy").Text(), Rule: p.Get("rule").Text(),
		Hook: p.Get("hook").Text(), Verdict: p.Get("verdict").Text(), Reason: p.Get("reason").Text(), Shadow: shadow,
	}
}

func viewTime(t *time.Time, v jsonscan.Value) bool {
	at, err := time.Parse(time.RFC3339Nano, v.Text())
	*t = at
	return err == nil
}
