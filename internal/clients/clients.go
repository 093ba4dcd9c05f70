// Package clients knows MCP clients: in which files they keep their servers, how they spell them, and how a gateway is written among them.
package clients

import (
	"path/filepath"
	"slices"
)

// World is the machine that clients are looked for on.
type World struct {
	Home   string
	OS     string // as runtime.GOOS
	Getenv func(name string) (value string, ok bool)
}

// Client is a program that keeps a list of MCP servers in a file.
type Client struct {
	ID, Name string
	files    []func(World) string // the most usual place first
	form     form
	path     []string // to the servers
	remote   remote
}

// remote is how a client spells a server at a URL. The zero remote is a client whose file takes programs only.
type remote struct {
	url       string // the name of the field
	fixed     []field
	variable  string   // how a header names an environment variable; "" is not at all
	headers   []string // the path to the headers
	bearerVar string   // the field that names the variable of a bearer token, in place of a header
}

type field struct {
	name  string
	value any
}

var table = []Client{
	{
		ID: "claude-desktop", Name: "Claude Desktop", path: mcpServers,
		files: []func(World) string{appData("Claude", "claude_desktop_config.json"), appData("claude", "claude_desktop_config.json")},
	},
	{
		ID: "claude-code", Name: "Claude Code", path: mcpServers,
		files:  []func(World) string{under("CLAUDE_CONFIG_DIR", ".", ".claude.json")},
		remote: remote{url: "url", fixed: []field{{"type", "http"}}, variable: "${%s}"},
	},
	{
		ID: "cursor", Name: "Cursor", path: mcpServers, files: home(".cursor/mcp.json"),
		remote: remote{url: "url", variable: "${env:%s}"},
	},
	{
		ID: "vscode", Name: "VS Code", path: []string{"servers"}, files: []func(World) string{appData("Code", "User/mcp.json")},
		remote: remote{url: "url", fixed: []field{{"type", "http"}}, variable: "${env:%s}"},
	},
	{
		ID: "vscode-insiders", Name: "VS Code Insiders", path: []string{"servers"}, files: []func(World) string{appData("Code - Insiders", "User/mcp.json")},
		remote: remote{url: "url", fixed: []field{{"type", "http"}}, variable: "${env:%s}"},
	},
	{
		ID: "windsurf", Name: "Windsurf", path: mcpServers, files: home(".codeium/windsurf/mcp_config.json"),
		remote: remote{url: "serverUrl", variable: "${env:%s}"},
	},
	{
		ID: "gemini", Name: "Gemini CLI", path: mcpServers, files: home(".gemini/settings.json"),
		remote: remote{url: "httpUrl", variable: "${%s}"},
	},
	{
		ID: "codex", Name: "Codex", form: toml, path: []string{"mcp_servers"},
		files:  []func(World) string{under("CODEX_HOME", ".codex", "config.toml")},
		remote: remote{url: "url", bearerVar: "bearer_token_env_var"}, //nolint:gosec // the name of a field
	},
	{
		ID: "cline", Name: "Cline", path: mcpServers,
		files:  []func(World) string{appData("Code", "User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json")},
		remote: remote{url: "url", fixed: []field{{"type", "streamableHttp"}}},
	},
	{
		ID: "roo", Name: "Roo Code", path: mcpServers,
		files:  []func(World) string{appData("Code", "User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json")},
		remote: remote{url: "url", fixed: []field{{"type", "streamable-http"}}, variable: "${env:%s}"},
	},
	{
		ID: "zed", Name: "Zed", path: []string{"context_servers"}, files: []func(World) string{zed},
		remote: remote{url: "url"},
	},
	{
		ID: "goose", Name: "Goose", form: yaml, path: []string{"extensions"}, files: home(".config/goose/config.yaml"),
		remote: remote{url: "uri", fixed: []field{{"enabled", true}, {"type", "streamable_http"}, {"timeout", 300}}},
	},
	{
		ID: "continue", Name: "Continue", form: yaml, path: mcpServers, files: home(".continue/config.yaml"),
		remote: remote{url: "url", fixed: []field{{"type", "streamable-http"}}, variable: "${{ secrets.%s }}", headers: []string{"requestOptions", "headers"}},
	},
	{
		ID: "opencode", Name: "OpenCode", path: []string{"mcp"}, files: home(".config/opencode/opencode.json"),
		remote: remote{url: "url", fixed: []field{{"type", "remote"}, {"enabled", true}}, variable: "{env:%s}"},
	},
	{ID: "lmstudio", Name: "LM Studio", path: mcpServers, files: home(".lmstudio/mcp.json"), remote: remote{url: "url"}},
	{ID: "kiro", Name: "Kiro", path: mcpServers, files: home(".kiro/settings/mcp.json"), remote: remote{url: "url", variable: "${%s}"}},
	{ID: "amp", Name: "Amp", path: []string{"amp.mcpServers"}, files: home(".config/amp/settings.json"), remote: remote{url: "url", variable: "${%s}"}},
	{ID: "antigravity", Name: "Antigravity", path: mcpServers, files: home(".gemini/antigravity/mcp_config.json"), remote: remote{url: "serverUrl"}},
}

var mcpServers = []string{"mcpServers"}

// All gives every client that is known.
func All() []Client { return slices.Clone(table) }

// IDs gives their names for the command line.
func IDs() []string {
	var ids []string
	for i := range table {
		ids = append(ids, table[i].ID)
	}
	return ids
}

// ByID finds a client by its name for the command line.
func ByID(id string) (Client, bool) {
	i := slices.IndexFunc(table, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, false
	}
	return table[i], true
}

// Files gives the places where the client's file may be, the most usual one first.
func (c *Client) Files(w World) []string {
	var files []string
	for _, at := range c.files {
		files = append(files, at(w))
	}
	return files
}

func home(path string) []func(World) string {
	return []func(World) string{func(w World) string { return filepath.Join(w.Home, filepath.FromSlash(path)) }}
}

// under is a file in a folder that a variable may name.
func under(variable, folder, file string) func(World) string {
	return func(w World) string {
		if dir, ok := w.Getenv(variable); ok && dir != "" {
			return filepath.Join(dir, file)
		}
		return filepath.Join(w.Home, folder, file)
	}
}

// appData is a file where the system has programs keep theirs.
func appData(program, file string) func(World) string {
	return func(w World) string { return filepath.Join(w.settings(), program, filepath.FromSlash(file)) }
}

func (w World) settings() string {
	switch w.OS {
	case "darwin":
		return filepath.Join(w.Home, "Library", "Application Support")
	case "windows":
		if dir, ok := w.Getenv("APPDATA"); ok && dir != "" {
			return dir
		}
		return filepath.Join(w.Home, "AppData", "Roaming")
	}
	return w.xdg()
}

func (w World) xdg() string {
	if dir, ok := w.Getenv("XDG_CONFIG_HOME"); ok && filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(w.Home, ".config")
}

// zed keeps its settings as on Linux on every system but Windows.
func zed(w World) string {
	if w.OS == "windows" {
		return filepath.Join(w.settings(), "Zed", "settings.json")
	}
	return filepath.Join(w.xdg(), "zed", "settings.json")
}
