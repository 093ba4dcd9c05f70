//! The manifest as a value that is known at compile time, the checks that can be made of it then,
//! and its JSON.

const std = @import("std");
const abi = @import("abi.zig");
const path = @import("path.zig");

const mem = std.mem;

/// A point at which a plugin is called.
pub const Hook = enum(i32) {
    request = abi.HOOK_REQUEST,
    response = abi.HOOK_RESPONSE,
    list = abi.HOOK_LIST,
};

/// A verdict that must be declared; passing and abstaining need not be.
pub const Declarable = enum { deny, mutate, approve };

/// Lists of field paths, one for each hook.
pub const PerHook = struct {
    request: []const []const u8 = &.{},
    response: []const []const u8 = &.{},
    list: []const []const u8 = &.{},

    pub fn of(p: PerHook, hook: Hook) []const []const u8 {
        return switch (hook) {
            inline else => |h| @field(p, @tagName(h)),
        };
    }

    fn none(comptime p: PerHook) bool {
        return p.request.len + p.response.len + p.list.len == 0;
    }
};

/// What a plugin asks for: "The manifest" of hostapi/ABI.md. Lists may be in any order; the hooks
/// follow from the functions that the plugin serves.
pub const Manifest = struct {
    name: []const u8,
    version: []const u8,
    /// The fields that a hook may read.
    reads: PerHook = .{},
    /// The places whose strings are enumerated for a hook.
    strings: PerHook = .{},
    /// The places at or below which the plugin may edit.
    writes: []const []const u8 = &.{},
    verdicts: []const Declarable = &.{},
    /// Tables and detectors of the host, such as "lookup:tenants".
    capabilities: []const []const u8 = &.{},
    features: Features = .{},
    /// JSON Schema of the plugin's settings; without it the plugin takes none.
    settings_schema: ?[]const u8 = null,
    /// Whether verdict and edits follow from what is read and from the settings alone.
    deterministic: bool = false,
    limits: Limits = .{},
    /// For people, such as .{ "license", "Apache-2.0" }.
    meta: []const [2][]const u8 = &.{},

    /// Memory of a call, for the texts that are read in it. Not a part of the manifest.
    call_bytes: usize = 32 * 1024,
    /// Memory for the settings and what is made of them. Not a part of the manifest.
    settings_bytes: usize = 8 * 1024,

    pub const Features = struct {
        require: []const []const u8 = &.{},
        optional: []const []const u8 = &.{},
    };

    pub const Limits = struct {
        pages: ?u32 = null,
        fuel: ?u64 = null,
        deadline_ms: ?u32 = null,
    };

    /// The manifest with its lists sorted, or a compile error.
    pub fn checked(comptime m: Manifest) Manifest {
        @setEvalBranchQuota(1_000_000);
        var out = m;
        inline for (.{ .request, .response, .list }) |hook| {
            @field(out.reads, @tagName(hook)) = sorted("reads", m.reads.of(hook));
            @field(out.strings, @tagName(hook)) = sorted("strings", m.strings.of(hook));
            paths("reads", out.reads.of(hook), @as(Hook, hook), .read);
            paths("strings", out.strings.of(hook), @as(Hook, hook), .strings);
        }
        out.writes = sorted("writes", m.writes);
        paths("writes", out.writes, null, .write);
        out.capabilities = sorted("capabilities", m.capabilities);
        for (m.capabilities) |c| capability(c);
        name(m.name);
        if (m.version.len == 0 or m.version.len > abi.LIMIT_NAME_BYTES) refuse("version", m.version, "write a semantic version");
        const mutates = m.declares(.mutate);
        if (m.writes.len > 0 and !mutates) refuse("writes", m.writes[0], "writes need the verdict mutate");
        if (m.settings_schema) |s| if (!isObject(s)) refuse("settings_schema", s, "this is not a JSON object");
        return out;
    }

    pub fn declares(comptime m: Manifest, comptime verdict: Declarable) bool {
        return mem.findScalar(Declarable, m.verdicts, verdict) != null;
    }

    /// The manifest of a plugin that serves these hooks.
    pub fn json(comptime m: Manifest, comptime hooks: []const []const u8) []const u8 {
        comptime {
            @setEvalBranchQuota(10_000_000);
            var out: []const u8 = "{\"abi\":" ++ quote(abi.ABI) ++ ",\"name\":" ++ quote(m.name) ++ ",\"version\":" ++ quote(m.version) ++ ",\"hooks\":" ++ list(hooks);
            if (!m.reads.none()) out = out ++ ",\"reads\":" ++ perHook(m.reads);
            if (!m.strings.none()) out = out ++ ",\"strings\":" ++ perHook(m.strings);
            if (m.writes.len > 0) out = out ++ ",\"writes\":" ++ list(m.writes);
            if (m.verdicts.len > 0) {
                var names: []const []const u8 = &.{};
                for (m.verdicts) |v| names = names ++ &[_][]const u8{@tagName(v)};
                out = out ++ ",\"verdicts\":" ++ list(names);
            }
            if (m.capabilities.len > 0) out = out ++ ",\"capabilities\":" ++ list(m.capabilities);
            if (m.features.require.len + m.features.optional.len > 0)
                out = out ++ ",\"features\":{\"require\":" ++ list(m.features.require) ++ ",\"optional\":" ++ list(m.features.optional) ++ "}";
            if (m.settings_schema) |s| out = out ++ ",\"settings_schema\":" ++ mem.trim(u8, s, " \t\r\n");
            if (m.deterministic) out = out ++ ",\"deterministic\":true";
            var limits: []const u8 = "";
            for (.{ "pages", "fuel", "deadline_ms" }) |key| {
                if (@field(m.limits, key)) |n| limits = limits ++ (if (limits.len > 0) "," else "") ++ quote(key) ++ ":" ++ std.fmt.comptimePrint("{d}", .{n});
            }
            if (limits.len > 0) out = out ++ ",\"limits\":{" ++ limits ++ "}";
            for (m.meta, 0..) |pair, i| out = out ++ (if (i == 0) ",\"meta\":{" else ",") ++ quote(pair[0]) ++ ":" ++ quote(pair[1]);
            if (m.meta.len > 0) out = out ++ "}";
            out = out ++ "}";
            if (out.len > abi.LIMIT_MANIFEST_BYTES) @compileError("the manifest is too long");
            return out;
        }
    }
};

fn refuse(comptime where: []const u8, comptime what: []const u8, comptime why: []const u8) noreturn {
    @compileError("manifest: " ++ where ++ ": \"" ++ what ++ "\": " ++ why);
}

fn sorted(comptime where: []const u8, comptime texts: []const []const u8) []const []const u8 {
    var out = texts[0..texts.len].*;
    mem.sortUnstable([]const u8, &out, {}, struct {
        fn less(_: void, a: []const u8, b: []const u8) bool {
            return mem.order(u8, a, b) == .lt;
        }
    }.less);
    for (out, 0..) |text, i| if (i > 0 and mem.eql(u8, text, out[i - 1])) refuse(where, text, "it stands twice");
    const result = out;
    return &result;
}

fn paths(comptime where: []const u8, comptime texts: []const []const u8, comptime hook: ?Hook, comptime use: path.Use) void {
    for (texts, 0..) |text, i| {
        if (path.wrong(text, if (hook) |h| @backingInt(h) else null, use)) |why| refuse(where, text, why);
        if (use != .read) for (texts[0..i]) |other| if (path.overlap(other, text)) refuse(where, text, "it shares a place with " ++ other);
    }
}

fn capability(comptime text: []const u8) void {
    const colon = mem.findScalar(u8, text, ':') orelse refuse("capabilities", text, "write KIND:NAME");
    const kind = text[0..colon];
    if (!mem.eql(u8, kind, abi.CAPABILITY_KIND_MATCH) and !mem.eql(u8, kind, abi.CAPABILITY_KIND_LOOKUP)) refuse("capabilities", text, "the kinds are match and lookup");
    const word = text[colon + 1 ..];
    if (word.len == 0 or word.len > abi.LIMIT_NAME_BYTES or !std.ascii.isAlphanumeric(word[0]) or !isWord(word))
        refuse("capabilities", text, "a name is of a-z, 0-9, '.', '_', '-' and begins with a letter or a digit");
}

fn name(comptime text: []const u8) void {
    var ok = text.len > 0 and text.len <= abi.LIMIT_NAME_BYTES and text[0] != '-' and text[text.len - 1] != '-';
    for (text, 0..) |b, i| ok = ok and (std.ascii.isLower(b) or std.ascii.isDigit(b) or (b == '-' and text[i - 1] != '-'));
    if (!ok) refuse("name", text, "write words of a-z and 0-9 joined by single -");
}

/// Whether a text is of the characters of codes, keys and labels.
pub fn isWord(text: []const u8) bool {
    for (text) |b| if (!std.ascii.isLower(b) and !std.ascii.isDigit(b) and b != '_' and b != '.' and b != '-') return false;
    return text.len > 0;
}

/// Whether braces and strings of a text end where they should: what else is wrong with its JSON
/// the gateway says.
fn isObject(text: []const u8) bool {
    const t = mem.trim(u8, text, " \t\r\n");
    if (t.len < 2 or t[0] != '{') return false;
    var depth: usize = 0;
    var quoted = false;
    var i: usize = 0;
    while (i < t.len) : (i += 1) {
        if (quoted) {
            if (t[i] == '\\') i += 1 else if (t[i] == '"') quoted = false;
        } else switch (t[i]) {
            '"' => quoted = true,
            '{', '[' => depth += 1,
            '}', ']' => {
                depth -|= 1;
                if (depth == 0) return i == t.len - 1;
            },
            else => {},
        }
    }
    return false;
}

fn quote(comptime text: []const u8) []const u8 {
    var out: []const u8 = "\"";
    for (text) |b| out = out ++ switch (b) {
        '"' => "\\\"",
        '\\' => "\\\\",
        0...0x1f => std.fmt.comptimePrint("\\u{x:0>4}", .{b}),
        else => &[_]u8{b},
    };
    return out ++ "\"";
}

fn list(comptime texts: []const []const u8) []const u8 {
    var out: []const u8 = "[";
    for (texts, 0..) |text, i| out = out ++ (if (i > 0) "," else "") ++ quote(text);
    return out ++ "]";
}

fn perHook(comptime p: PerHook) []const u8 {
    var out: []const u8 = "{";
    for (.{ Hook.request, Hook.response, Hook.list }) |hook| {
        if (p.of(hook).len > 0) out = out ++ (if (out.len > 1) "," else "") ++ quote(@tagName(hook)) ++ ":" ++ list(p.of(hook));
    }
    return out ++ "}";
}

test "JSON of a manifest" {
    const m = comptime (Manifest{
        .name = "a-b",
        .version = "1.0.0",
        .reads = .{ .request = &.{ "mcp.tool.name", "args[\"odd key\"]" } },
        .writes = &.{"args"},
        .verdicts = &.{ .deny, .mutate },
        .capabilities = &.{"lookup:t"},
        .features = .{ .optional = &.{"view"} },
        .settings_schema =
        \\ {"type": "object", "title": "a\"}"}
        ,
        .deterministic = true,
        .limits = .{ .fuel = 7 },
        .meta = &.{.{ "description", "\x01" }},
    }).checked();
    try std.testing.expectEqualStrings(
        \\{"abi":"sallyport/1","name":"a-b","version":"1.0.0","hooks":["request"],"reads":{"request":["args[\"odd key\"]","mcp.tool.name"]},"writes":["args"],"verdicts":["deny","mutate"],"capabilities":["lookup:t"],"features":{"require":[],"optional":["view"]},"settings_schema":{"type": "object", "title": "a\"}"},"deterministic":true,"limits":{"fuel":7},"meta":{"description":"\u0001"}}
    , comptime m.json(&.{"request"}));
}

test "an object ends where its text does" {
    try std.testing.expect(isObject("{\"a\": \"\\\\\"}"));
    for ([_][]const u8{ "", "{", "[]", "{}}", "{\"a\": \"\\\"}" }) |t| try std.testing.expect(!isObject(t));
}
