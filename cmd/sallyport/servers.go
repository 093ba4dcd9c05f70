package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sallyport-dev/sallyport/internal/admin"
)

// This file is what the command line shows of the servers and tools of a gateway that runs.

type serversCommand struct {
	List serversList `cmd:"" default:"withargs" help:"All servers: where they come from, what is done with them, how they are."`
	Show serversShow `cmd:"" help:"All that is known of one server."`

	Approve serversApprove `cmd:"" help:"Have a server serve that was found, as it is written now."`
	Revoke  serversRevoke  `cmd:"" help:"Take back what was approved of a server: it serves nobody from then on."`
	Put     serversPut     `cmd:"" help:"Put a server there, or another in its place, by the admin API."`
	Remove  serversRemove  `cmd:"" help:"Remove a server that was put."`
}

type serversList struct {
	operator `embed:""`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// Run prints a line for each server.
func (c serversList) Run(p *process) error {
	var all []admin.Server
	if err := c.show(p, "servers", &all); err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(p.stdout, all)
	}
	return printTable(p.stdout, "NAME\tSOURCE\tSTATE\tHEALTH\tERA\tVERSIONS\tTOOLS\tERROR", func(row func(...string)) {
		for i := range all {
			s := &all[i]
			row(called(s), origins(s), s.State, health(s), dash(s.Era), dash(strings.Join(s.Protocols, ",")), number(s.Tools), dash(trouble(s)))
		}
	})
}

type serversShow struct {
	operator `embed:""`
	Name     string `arg:"" help:"The server."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// Run prints what is known of a server.
func (c serversShow) Run(p *process) error {
	s, err := c.server(p, c.Name)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(p.stdout, s)
	}
	if err := printServer(p.stdout, s); err != nil || s.Digest == "" {
		return err
	}
	return c.printWritten(p)
}

// server finds a server of the gateway.
func (c operator) server(p *process, name string) (*admin.Server, error) {
	var all []admin.Server
	if err := c.show(p, "servers", &all); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s admin.Server) bool { return s.Name == name })
	if i < 0 {
		return nil, failf(exitUsage, "the gateway knows no server %q", name)
	}
	return &all[i], nil
}

func printServer(out io.Writer, s *admin.Server) error {
	var listing admin.Listing
	if s.Listing != nil {
		listing = *s.Listing
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"name", called(s)},
		{"source", s.Source},
		{"from", s.From},
		{"title", listing.Title},
		{"description", listing.Description},
		{"listed as", listing.Status},
		{"state", s.State},
		{"address", s.Address},
		{"digest", s.Digest},
		{"approved by", s.Approved},
		{"transport", s.Transport},
		{"health", health(s)},
		{"era", s.Era},
		{"versions", strings.Join(s.Protocols, ", ")},
		{"tools", number(s.Tools)},
		{"error", s.Error},
	} {
		if line[1] != "" && line[1] != "-" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], visible(line[1]))
		}
	}
	for _, at := range s.Over {
		fmt.Fprintf(w, "passed over\t%s\n", visible(at))
	}
	for _, d := range s.Mistakes {
		fmt.Fprintf(w, "mistake\t%s\n", visible(d.String()))
	}
	return w.Flush()
}

// trouble is what is wrong with a server; if nothing is, that there are others of its name.
func trouble(s *admin.Server) string {
	if s.Error != "" || len(s.Over) == 0 {
		return s.Error
	}
	return "SP1401: passed over is " + strings.Join(s.Over, ", ")
}

// origins is where a server comes from, and which release of it is listed there.
func origins(s *admin.Server) string {
	if s.Listing == nil || s.Listing.Version == "" {
		return s.Source
	}
	return s.Source + " " + s.Listing.Version
}

// called is what a server is called, or a version of one.
func called(s *admin.Server) string {
	if s.Version == "" {
		return s.Name
	}
	return versionKey(s.Name, s.Version)
}

// health is how a server is, as far as anybody has asked it.
func health(s *admin.Server) string {
	switch {
	case s.State == "refused", s.State == "quarantined" && s.Probed == nil:
		return "-"
	case !s.Up:
		return "down"
	case s.Since == nil:
		return "not asked"
	}
	return "up"
}

type toolsList struct {
	operator `embed:""`
	Server   string `arg:"" optional:"" help:"The server whose tools are meant. Default: all."`
	Output   string `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// Run prints a line for each tool.
func (c toolsList) Run(p *process) error {
	var all []admin.Tool
	if err := c.show(p, "tools", &all); err != nil {
		return err
	}
	if c.Server != "" {
		if _, err := c.server(p, c.Server); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(t admin.Tool) bool { return t.Server != c.Server })
	}
	if c.Output == "json" {
		return printJSON(p.stdout, all)
	}
	return printTable(p.stdout, "SERVER\tTOOL\tLOCK\tKNOWN\tANNOTATIONS\tDESCRIPTION", func(row func(...string)) {
		for i := range all {
			t := &all[i]
			row(t.Server, t.Name, dash(t.Lock), t.Known, dash(hints(t.Annotations)), dash(firstLine(t.Description)))
		}
	})
}

// hints are the annotations that are true, and those that say no.
func hints(annotations json.RawMessage) string {
	var all map[string]any
	if json.Unmarshal(annotations, &all) != nil {
		return ""
	}
	var out []string
	for _, h := range []struct{ name, yes, no string }{
		{"readOnlyHint", "read-only", "writes"},
		{"destructiveHint", "destructive", "additive"},
		{"idempotentHint", "idempotent", ""},
		{"openWorldHint", "open-world", "closed-world"},
	} {
		switch all[h.name] {
		case true:
			out = append(out, h.yes)
		case false:
			if h.no != "" {
				out = append(out, h.no)
			}
		}
	}
	return strings.Join(out, ",")
}

// maxShown is how much of a text stands in a table.
const maxShown = 60

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "..."
	}
	return s
}

// printTable prints rows under a header, without what a terminal would take for commands.
func printTable(out io.Writer, header string, rows func(row func(...string))) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	rows(func(cells ...string) {
		for i := range cells {
			cells[i] = visible(cells[i])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	})
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func number(n *int) string {
	if n == nil {
		return "-"
	}
	return strconv.Itoa(*n)
}
