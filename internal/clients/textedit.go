package clients

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// setTOML puts a table into a TOML file: in the place of the one that has the name, or at the end.
func setTOML(data []byte, path []string, name string, entry object) []byte {
	table := tomlTable(path, name, entry)
	lines := strings.SplitAfter(string(data), "\n")
	first, end := tomlLines(lines, path, name)
	if first < 0 {
		text := string(data)
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if text != "" {
			text += "\n"
		}
		return []byte(text + table)
	}
	return []byte(strings.Join(lines[:first], "") + table + strings.Join(lines[end:], ""))
}

// tomlLines finds the lines of a table and of those below it; what stands behind them, before the next table, is not theirs.
func tomlLines(lines []string, path []string, name string) (first, end int) {
	key := strings.Join(path, ".") + "."
	own := regexp.MustCompile(`^\s*\[` + regexp.QuoteMeta(key) + `"?` + regexp.QuoteMeta(name) + `"?(\..*)?\]`)
	first = -1
	for i, line := range lines {
		switch text := strings.TrimSpace(line); {
		case own.MatchString(line):
			if first < 0 {
				first = i
			}
			end = i + 1
		case first < 0:
		case strings.HasPrefix(text, "["):
			return first, end
		case text != "" && !strings.HasPrefix(text, "#"):
			end = i + 1
		}
	}
	return first, end
}

func tomlTable(path []string, name string, entry object) string {
	var b strings.Builder
	if !bareKey.MatchString(name) {
		name = quote(name)
	}
	fmt.Fprintf(&b, "[%s.%s]\n", strings.Join(path, "."), name)
	for _, f := range entry {
		fmt.Fprintf(&b, "%s = %s\n", f.name, quote(f.value))
	}
	return b.String()
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// setYAML puts an entry into a YAML file: an element of a list, for Continue, or a member of an object.
func (c *Client) setYAML(file string, data []byte, name string, entry object) ([]byte, error) {
	return InsertYAML(file, data, c.path[0], func(indent string) string {
		if c.ID == "continue" {
			return yamlItem(indent, name, entry)
		}
		return yamlEntry(indent, name, c.listed(name, entry))
	})
}

func yamlItem(indent, name string, entry object) string {
	return indent + "- name: " + quote(name) + "\n" + entry.yaml(indent+"  ")
}

func yamlEntry(indent, name string, entry object) string {
	return indent + name + ":\n" + entry.yaml(indent+"  ")
}

func (o object) yaml(indent string) string {
	var b strings.Builder
	for _, f := range o {
		if nested, ok := f.value.(object); ok {
			b.WriteString(indent + f.name + ":\n" + nested.yaml(indent+"  "))
			continue
		}
		b.WriteString(indent + f.name + ": " + quote(f.value) + "\n")
	}
	return b.String()
}

var (
	errFlow = errors.New("is written in braces: only one that is written line by line can be added to")
	errLine = errors.New("begins on a line with something else")
)

// InsertYAML adds text below a key at the top of a YAML file: as the first of its members, so that comments stay with what they are about. The
// key is added where there is none. entry gives the text, whole lines, for the indent of members.
func InsertYAML(name string, data []byte, key string, entry func(indent string) string) ([]byte, error) {
	root, err := yaml.root(name, data)
	if err != nil {
		return nil, err
	}
	text := string(data)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	k, v := root.Key(key), root.Get(key)
	if k == nil {
		if root.Kind() != source.Map && root.Kind() != source.Absent && root.Kind() != source.Null {
			return nil, errors.New("it holds no settings")
		}
		if strings.HasPrefix(strings.TrimLeft(text, " \n"), "{") {
			return nil, fmt.Errorf("the file %w", errFlow)
		}
		return []byte(text + key + ":\n" + entry("  ")), nil
	}
	lines := strings.SplitAfter(text, "\n")
	at := k.Pos().Line - 1
	head := strings.TrimSpace(strings.TrimPrefix(lines[at], key+":"))
	if !strings.HasPrefix(lines[at], key+":") {
		return nil, fmt.Errorf("`%s` %w", key, errLine)
	}
	if v.Len() == 0 {
		for _, empty := range []string{"{}", "[]", "null", "~"} {
			head = strings.TrimSpace(strings.TrimPrefix(head, empty))
		}
	}
	if head != "" && !strings.HasPrefix(head, "#") {
		return nil, fmt.Errorf("`%s` %w", key, errFlow)
	}
	if head != "" {
		head = " " + head
	}
	lines[at] = key + ":" + head + "\n"
	return []byte(strings.Join(lines[:at+1], "") + entry(indentOf(lines, v)) + strings.Join(lines[at+1:], "")), nil
}

// indentOf is the indent of a block's members.
func indentOf(lines []string, v *source.Node) string {
	line := 0
	for k := range v.Fields() {
		line = k.Pos().Line
		break
	}
	for _, item := range v.Items() {
		line = item.Pos().Line
		break
	}
	if line == 0 {
		return "  "
	}
	l := lines[line-1]
	return l[:len(l)-len(strings.TrimLeft(l, " "))]
}
