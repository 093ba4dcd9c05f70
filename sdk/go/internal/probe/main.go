// Command probe is a plugin that uses all of the SDK, so that tests can compare what it does
// natively with what its module does.
package main

import (
	_ "embed"
	"errors"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
)

//go:embed manifest.json
var manifest string

func main() {}

func init() { sallyport.Register(plugin()) } //nolint:gochecknoinits // exports have nowhere else to find the plugin

func plugin() sallyport.Plugin {
	mode := ""
	return sallyport.Plugin{
		Manifest: manifest,
		Validate: func(settings sallyport.Value) error {
			if settings.Get("mode").JSON() == `"invalid"` {
				return &sallyport.SettingsError{Path: "/mode", Message: "no such mode"}
			}
			return nil
		},
		Configure: func(settings sallyport.Value) error {
			if mode, _ = settings.Get("mode").Text(); mode == "unfit" {
				return errors.New(mode)
			}
			return nil
		},
		SelfTest: func() error {
			if mode == "broken" {
				return errors.New("broken")
			}
			return nil
		},
		OnRequest: func(c *sallyport.Call) sallyport.Verdict {
			do, _ := c.Text("args.do")
			if f, ok := requests[do]; ok {
				return f(c)
			}
			return c.Deny("unknown", do+" "+mode)
		},
		OnResponse: mask,
		OnList:     onList,
	}
}

// mask replaces what begins with secret in the strings of the hook.
func mask(c *sallyport.Call) sallyport.Verdict {
	v := sallyport.Pass
	for s := range c.Strings() {
		if strings.HasPrefix(s.Text(), "secret") {
			c.Note("at", s.Path())
			s.Replace("***")
			v = sallyport.Mutate
		}
	}
	return v
}

func onList(l *sallyport.List) sallyport.Verdict {
	v := mask(&l.Call)
	l.Note("items", strconv.Itoa(l.Len()))
	for item := range l.Items() {
		if a, ok := item.Text("items[*].annotations"); ok {
			l.Note("annotations", strconv.Itoa(item.Index())+a)
		}
		if name, _ := item.Text("items[*].name"); strings.HasPrefix(name, "admin_") {
			item.Drop()
			v = sallyport.Mutate
		}
	}
	return v
}

// requests are what the argument do asks for.
var requests = map[string]func(*sallyport.Call) sallyport.Verdict{
	"kinds": func(c *sallyport.Call) sallyport.Verdict {
		text, isText := c.Text("args.v")
		number, isNumber := c.Number("args.v")
		value, isBool := c.Bool("args.v")
		v := c.Value("args.v")
		again, _ := v.Text()
		c.Note("kind", c.Kind("args.v").String()+" "+v.Kind().String())
		c.Note("text", strconv.FormatBool(isText)+text+again)
		c.Note("number", strconv.FormatBool(isNumber)+strconv.FormatFloat(number, 'g', -1, 64))
		c.Note("bool", strconv.FormatBool(isBool)+strconv.FormatBool(value))
		c.Note("json", v.JSON())
		c.Note("len", strconv.Itoa(v.Len()))
		c.Note("a", v.Get("a").JSON()+v.Index(1).JSON())
		return sallyport.Pass
	},
	"odd": func(c *sallyport.Call) sallyport.Verdict {
		text, _ := c.Text(`args["odd key"]`)
		return c.Deny("odd", text)
	},
	"groups": func(c *sallyport.Call) sallyport.Verdict {
		if c.Value("principal.groups").Contains("ops") {
			return sallyport.Pass
		}
		return c.Deny("no_ops", c.Value("principal.groups").JSON())
	},
	"large": func(c *sallyport.Call) sallyport.Verdict {
		before, _ := c.Text("args.do")
		large, _ := c.Text("args.v")
		after, _ := c.Text("args.do")
		return c.Deny("large", strconv.Itoa(strings.Count(large, "x"))+before+after)
	},
	"mask": mask,
	"set": func(c *sallyport.Call) sallyport.Verdict {
		path, _ := c.Text("args.key")
		json, _ := c.Text("args.json")
		c.SetJSON(path, json)
		return sallyport.Mutate
	},
	"set text": func(c *sallyport.Call) sallyport.Verdict {
		text, _ := c.Text("args.v")
		c.SetText("args.v", "<"+text+">")
		return sallyport.Mutate
	},
	"remove": func(c *sallyport.Call) sallyport.Verdict {
		path, _ := c.Text("args.key")
		c.Note("removed", strconv.FormatBool(c.Remove(path)))
		return sallyport.Mutate
	},
	"edit and pass": func(c *sallyport.Call) sallyport.Verdict {
		c.SetText("args.v", "")
		return sallyport.Pass
	},
	"lookup": func(c *sallyport.Call) sallyport.Verdict {
		key, _ := c.Text("args.key")
		found, ok := c.Lookup("lookup:tenants", key)
		return c.Deny("found", strconv.FormatBool(ok)+found)
	},
	"withheld": func(c *sallyport.Call) sallyport.Verdict {
		c.Note("granted", strconv.FormatBool(c.Granted("lookup:tenants"))+strconv.FormatBool(c.Granted("lookup:withheld")))
		c.Lookup("lookup:withheld", "")
		return sallyport.Pass
	},
	"match": func(c *sallyport.Call) sallyport.Verdict {
		var out strings.Builder
		say := func(m sallyport.Matches) {
			for x := range m.All() {
				out.WriteString(c.Rule("match:pii", x.Rule) + ":" + strconv.Itoa(x.Start) + "-" + strconv.Itoa(x.End) + " ")
			}
		}
		say(c.Match("match:pii", "args.v"))
		for s := range c.Strings() {
			say(s.Match("match:pii"))
		}
		return c.Deny("found", out.String())
	},
	"say": func(c *sallyport.Call) sallyport.Verdict {
		c.Label("a")
		c.Label("b")
		c.Label("a")
		c.Note("k", "1")
		c.Note("k", "2")
		c.Log(sallyport.Warn, "careful")
		c.Note("now", c.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
		c.Note("view", strconv.FormatBool(c.Has(sallyport.FeatureView)))
		return sallyport.Abstain
	},
	"approve":    func(c *sallyport.Call) sallyport.Verdict { return c.Approve("May it?") },
	"deny":       func(*sallyport.Call) sallyport.Verdict { return sallyport.Deny },
	"zero":       func(*sallyport.Call) (v sallyport.Verdict) { return v },
	"nonsense":   func(*sallyport.Call) sallyport.Verdict { return 99 },
	"fail":       func(c *sallyport.Call) sallyport.Verdict { return c.Fail("cannot judge") },
	"panic":      func(*sallyport.Call) sallyport.Verdict { panic("oh") },
	"undeclared": func(c *sallyport.Call) sallyport.Verdict { c.Text("args.nope"); return sallyport.Pass },
	"no such table": func(c *sallyport.Call) sallyport.Verdict {
		c.Lookup("lookup:nope", "")
		return sallyport.Pass
	},
	"bad code": func(c *sallyport.Call) sallyport.Verdict { return c.Deny("Bad Code", "") },
}
