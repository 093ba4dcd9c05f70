package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/clients"
	"github.com/sallyport-dev/sallyport/internal/config"
)

type importCommand struct {
	File   string `arg:"" optional:"" help:"A client's file, such as .mcp.json. Left out, the files of all clients are looked for below the home directory."`
	From   string `placeholder:"CLIENT" help:"Take the servers of this client only: ${clients}."`
	Output string `short:"o" default:"sallyport.yaml" placeholder:"FILE" help:"The gateway's config that they are added to. Default: ./sallyport.yaml."`
	DryRun bool   `help:"Write nothing: show what would change."`
}

// newConfig is what stands above the servers in a config that is made.
const newConfig = `# Every call is denied until there are policies: add ` + "`policies: ./policies`" + `.
identity: { anonymous: allow } # anybody on this machine may ask the policies
audit: { file: ./audit.jsonl }
servers:
`

func (c importCommand) Run(p *process) error {
	files, err := c.files(p)
	if err != nil {
		return err
	}
	in := importer{command: c, process: p, from: map[string]string{}}
	if err := in.open(); err != nil {
		return err
	}
	for _, f := range files {
		if err := in.read(f); err != nil {
			return err
		}
	}
	return in.write()
}

// files are those that servers are taken from.
func (c importCommand) files(p *process) ([]string, error) {
	if c.File != "" {
		if c.From != "" {
			return nil, failf(exitUsage, "a file and --from exclude each other: the file says by itself how its client writes")
		}
		return []string{c.File}, nil
	}
	w, err := world(p)
	if err != nil {
		return nil, err
	}
	asked := clients.All()
	if c.From != "" {
		client, err := clientCalled(c.From)
		if err != nil {
			return nil, err
		}
		asked = []clients.Client{client}
	}
	var found, looked []string
	for i := range asked {
		for _, name := range asked[i].Files(w) {
			looked = append(looked, name)
			if _, err := os.Stat(name); err == nil {
				found = append(found, name)
				break
			}
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if c.From != "" {
		return nil, failf(exitUsage, "%s keeps no servers here: there is no %s", asked[0].Name, strings.Join(looked, " and no "))
	}
	return nil, failf(exitUsage, "no client's file was found below %s; name one: sallyport import FILE", w.Home)
}

// world is this machine.
func world(p *process) (clients.World, error) {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if dir, ok := p.getenv(name); ok && dir != "" {
			return clients.World{Home: dir, OS: runtime.GOOS, Getenv: p.getenv}, nil
		}
	}
	return clients.World{}, failf(exitUsage, "there is no home directory: HOME is not set")
}

func clientCalled(id string) (clients.Client, error) {
	if client, ok := clients.ByID(id); ok {
		return client, nil
	}
	help := "one of " + strings.Join(clients.IDs(), ", ")
	if like, ok := source.Suggest(id, clients.IDs()); ok {
		help = "did you mean " + like + "?"
	}
	return clients.Client{}, failf(exitUsage, "no client is called %q: %s", id, help)
}

// importer adds servers to a config.
type importer struct {
	command  importCommand
	process  *process
	data     []byte // the config as it is; nil: there is none
	existing map[string]any
	from     map[string]string // the files of the servers that are taken
	added    []clients.Server
	lines    []string // what is said of each server
	needs    []clients.Variable
}

// open reads the config that there is.
func (in *importer) open() error {
	data, err := os.ReadFile(in.command.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failf(exitInvalid, "config: %w", err)
	}
	roots, ds := source.Parse(in.command.Output, data)
	if ds.HasErrors() {
		return ds
	}
	if len(roots) == 1 {
		in.existing, _ = roots[0].Get("servers").Any().(map[string]any)
	}
	in.data = data
	return nil
}

// read takes the servers of one client's file.
func (in *importer) read(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	servers, skipped, err := clients.Read(file, data)
	if err != nil {
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			return ds
		}
		return failf(exitInvalid, "%w", err)
	}
	for _, s := range skipped {
		in.say("skipped", s.Name, s.Why)
	}
	for i := range servers {
		s := &servers[i]
		s.Name = config.ServerName(s.Name)
		anchor(s, file)
	}
	translated, needs, err := clients.Translate(servers)
	if err != nil {
		return err
	}
	for i := range translated {
		in.take(file, &translated[i], needs)
	}
	if len(servers)+len(skipped) == 0 {
		in.lines = append(in.lines, "no servers in "+in.shown(file))
	}
	return nil
}

// take adds a server, unless the config has it, or another one of that name.
func (in *importer) take(file string, s *clients.Server, needs []clients.Variable) {
	text := "servers:\n" + s.YAML("  ")
	roots, ds := source.Parse("", []byte(text))
	if ds.HasErrors() {
		in.say("skipped", s.Name, ds[0].Message)
		return
	}
	entry := roots[0].Get("servers").Get(s.Name).Any()
	if was, ok := in.existing[s.Name]; ok {
		switch {
		case !reflect.DeepEqual(was, entry):
			in.say("skipped", s.Name, "there is another server of that name in "+in.origin(s.Name))
		case in.from[s.Name] == "":
			in.say("kept", s.Name, in.command.Output+" has it")
		}
		return
	}
	if _, ds := config.Parse("", []byte(text), anything); ds.HasErrors() {
		in.say("skipped", s.Name, ds[0].Message)
		return
	}
	if in.existing == nil {
		in.existing = map[string]any{}
	}
	in.existing[s.Name], in.from[s.Name] = entry, file
	in.added = append(in.added, *s)
	for _, v := range needs {
		if v.Server == s.Name {
			in.needs = append(in.needs, v)
		}
	}
	in.say("added", s.Name, "from "+in.shown(file))
}

func (in *importer) origin(name string) string {
	if file := in.from[name]; file != "" {
		return in.shown(file)
	}
	return in.command.Output
}

// shown is a file as people write it.
func (in *importer) shown(file string) string {
	w, err := world(in.process)
	if rest, ok := strings.CutPrefix(file, w.Home+string(filepath.Separator)); err == nil && ok {
		return "~" + string(filepath.Separator) + rest
	}
	return file
}

// anything stands for the variables of a config of which only the form counts.
func anything(string) (string, bool) { return "9f3b7c1e5a2d4680", true }

func (in *importer) say(what, name, why string) {
	in.lines = append(in.lines, fmt.Sprintf("%-8s %-20s %s", what, name, why))
}

// anchor makes relative paths start where the client takes them from: the folder of the project, which is above one such as .cursor.
func anchor(s *clients.Server, file string) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return
	}
	if strings.HasPrefix(filepath.Base(dir), ".") {
		dir = filepath.Dir(dir)
	}
	relative := func(path string) bool {
		return path != "" && !filepath.IsAbs(path) && !strings.ContainsAny(path[:1], "~$")
	}
	if len(s.Command) > 0 && strings.Contains(s.Command[0], "/") && relative(s.Command[0]) {
		s.Command[0] = filepath.Join(dir, s.Command[0])
	}
	if relative(s.Cwd) {
		s.Cwd = filepath.Join(dir, s.Cwd)
	}
}

// write adds what was taken, and says what was done.
func (in *importer) write() error {
	out, name := in.process.stdout, in.command.Output
	for _, line := range in.lines {
		fmt.Fprintln(out, line)
	}
	if len(in.added) == 0 {
		fmt.Fprintf(out, "nothing to add to %s\n", name)
		return nil
	}
	text, err := in.text()
	if err != nil {
		return err
	}
	if in.command.DryRun {
		fmt.Fprintln(out)
		if err := showDiff(out, name, in.data, text); err != nil {
			return err
		}
	} else {
		if err := in.save(text); err != nil {
			return failf(exitUnexpected, "%w", err)
		}
		fmt.Fprintf(out, "wrote %s: %s added\n", name, count(len(in.added), "server"))
	}
	in.sayNeeds()
	return nil
}

func (in *importer) save(text []byte) error {
	if in.data == nil {
		return bundle.WriteFile(in.command.Output, text, 0o644)
	}
	return replaceFile(in.command.Output, text)
}

// text is the config with the servers in it. Everything else in it must have stayed.
func (in *importer) text() ([]byte, error) {
	var entries strings.Builder
	old := in.data
	if old == nil {
		old = []byte(newConfig)
	}
	text, err := clients.InsertYAML(in.command.Output, old, "servers", func(indent string) string {
		for i := range in.added {
			entries.WriteString(in.added[i].YAML(indent))
		}
		return entries.String()
	})
	by := fmt.Sprintf("add these to `servers` in %s by hand:\n%s", in.command.Output, in.byHand())
	if err != nil {
		return nil, failf(exitInvalid, "%s: %w; %s", in.command.Output, err, by)
	}
	before, _ := source.Parse(in.command.Output, old)
	after, ds := source.Parse(in.command.Output, text)
	if ds.HasErrors() || !in.onlyAdds(before, after) {
		return nil, failf(exitInvalid, "%s is written in a way that can't be edited safely; %s", in.command.Output, by)
	}
	return text, nil
}

func (in *importer) byHand() string {
	var b strings.Builder
	for i := range in.added {
		b.WriteString(in.added[i].YAML("  "))
	}
	return b.String()
}

func (in *importer) onlyAdds(before, after []*source.Node) bool {
	if len(after) != 1 || len(before) > 1 {
		return false
	}
	var was map[string]any
	if len(before) == 1 {
		was, _ = before[0].Any().(map[string]any)
	}
	is, _ := after[0].Any().(map[string]any)
	want := maps.Clone(was)
	if want == nil {
		want = map[string]any{}
	}
	want["servers"] = in.existing
	return reflect.DeepEqual(is, want)
}

// sayNeeds lists the variables that the config names now.
func (in *importer) sayNeeds() {
	if len(in.needs) == 0 {
		return
	}
	slices.SortStableFunc(in.needs, func(a, b clients.Variable) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	b.WriteString("\nThe config names these variables, and holds no secrets. Set them where the gateway runs:\n")
	for i, v := range in.needs {
		if i > 0 && in.needs[i-1].Name == v.Name {
			continue
		}
		where := "the client or its environment knows it"
		if v.Secret {
			where = "its value is in " + in.shown(in.from[v.Server])
		}
		fmt.Fprintf(&b, "  export %s=...  # %s, %s; %s\n", v.Name, v.Server, v.Place, where)
	}
	fmt.Fprint(in.process.stdout, b.String())
}
