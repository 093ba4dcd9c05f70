//! Field paths, as hostapi/ABI.md has them. Everything here runs at compile time, and in the
//! tests' host.

const std = @import("std");
const abi = @import("abi.zig");

const mem = std.mem;

/// A segment of a path. A key in brackets is as it is written, without its quotes: paths have
/// one spelling, so that can be compared.
pub const Segment = union(enum) {
    key: []const u8,
    index: []const u8,
    star,

    fn takes(declared: Segment, given: Segment) bool {
        return switch (declared) {
            .key => |k| given == .key and mem.eql(u8, k, given.key),
            .index => |i| given == .index and mem.eql(u8, i, given.index),
            .star => given == .index or given == .star,
        };
    }
};

pub const SyntaxError = error{NotAPath};

/// Goes over the segments that follow a name.
pub const Segments = struct {
    rest: []const u8,

    pub fn next(s: *Segments) SyntaxError!?Segment {
        if (s.rest.len == 0) return null;
        if (s.rest[0] == '.') {
            var n: usize = 1;
            while (n < s.rest.len and isKeyByte(s.rest[n], n == 1)) n += 1;
            if (n == 1) return error.NotAPath;
            defer s.rest = s.rest[n..];
            return .{ .key = s.rest[1..n] };
        }
        if (mem.startsWith(u8, s.rest, "[*]")) {
            s.rest = s.rest[3..];
            return .star;
        }
        if (mem.startsWith(u8, s.rest, "[\"")) return try s.quoted();
        if (s.rest[0] != '[') return error.NotAPath;
        const end = mem.findScalar(u8, s.rest, ']') orelse return error.NotAPath;
        const digits = s.rest[1..end];
        if (digits.len == 0 or digits.len > 10 or (digits.len > 1 and digits[0] == '0')) return error.NotAPath;
        const index = std.fmt.parseInt(u64, digits, 10) catch return error.NotAPath;
        if (digits[0] == '+' or digits[0] == '-' or index > 2147483647) return error.NotAPath;
        s.rest = s.rest[end + 1 ..];
        return .{ .index = digits };
    }

    fn quoted(s: *Segments) SyntaxError!Segment {
        var n: usize = 2;
        while (n < s.rest.len and s.rest[n] != '"') {
            n += if (s.rest[n] < 0x20) return error.NotAPath else if (s.rest[n] == '\\') try escape(s.rest[n..]) else 1;
        }
        if (n + 1 >= s.rest.len or s.rest[n + 1] != ']') return error.NotAPath;
        const key = s.rest[2..n];
        s.rest = s.rest[n + 2 ..];
        // A key of the plain form is written with a dot.
        if (key.len > 0 and isPlain(key)) return error.NotAPath;
        return .{ .key = key };
    }
};

fn isPlain(key: []const u8) bool {
    for (key, 0..) |b, i| if (!isKeyByte(b, i == 0)) return false;
    return true;
}

fn isKeyByte(b: u8, first: bool) bool {
    return switch (b) {
        'a'...'z', 'A'...'Z', '_' => true,
        '0'...'9' => !first,
        else => false,
    };
}

/// The length of the escape that a text begins with; only the shortest is one.
fn escape(text: []const u8) SyntaxError!usize {
    if (text.len < 2) return error.NotAPath;
    if (mem.findScalar(u8, "\"\\btnfr", text[1]) != null) return 2;
    if (text.len < 6 or text[1] != 'u' or text[2] != '0' or text[3] != '0') return error.NotAPath;
    if (text[4] != '0' and text[4] != '1') return error.NotAPath;
    if (mem.findScalar(u8, "0123456789abcdef", text[5]) == null) return error.NotAPath;
    if (text[4] == '0' and mem.findScalar(u8, "89acd", text[5]) != null) return error.NotAPath;
    return 6;
}

/// The name that a path begins with, the longest that fits.
pub fn nameOf(path: []const u8) ?*const abi.Name {
    var best: ?*const abi.Name = null;
    for (&abi.NAMES) |*n| {
        if (!mem.startsWith(u8, path, n.name)) continue;
        if (path.len > n.name.len and path[n.name.len] != '.' and path[n.name.len] != '[') continue;
        if (best == null or n.name.len > best.?.name.len) best = n;
    }
    return best;
}

/// The segments after the name of a path that has one.
pub fn segments(path: []const u8) Segments {
    return .{ .rest = path[nameOf(path).?.name.len..] };
}

pub const Use = enum { read, strings, write };

/// What is wrong with a path that a manifest declares, or null.
pub fn wrong(path: []const u8, hook: ?i32, use: Use) ?[]const u8 {
    const name = nameOf(path) orelse return "it begins with no name that there is; hostapi/ABI.md lists them";
    if (hook) |h| {
        const of = if (use == .read) name.hooks else name.edit;
        if (mem.findScalar(i32, of, h) == null) return if (use == .read) "this hook can't read it" else "this hook can't edit it";
    } else if (name.edit.len == 0) return "it can't be edited";
    var it = segments(path);
    var n: usize = 0;
    while (it.next() catch return "it is not spelled as a field path is") |s| : (n += 1) {
        if (name.type == .string or name.type == .list) return "nothing may follow this name";
        if (name.type == .headers) {
            if (s != .key or n > 0) return "one header's name must follow, and nothing else";
            for (s.key) |b| if (b >= 'A' and b <= 'Z') return "names of headers are written in lower case";
        }
        if (s == .star and use == .read and !(n == 0 and mem.eql(u8, name.name, "items"))) return "[*] may only follow items";
    }
    if (name.type == .headers and n == 0) return "a header's name must follow";
    if (n > abi.LIMIT_PATH_SEGMENTS or path.len > abi.LIMIT_PATH_BYTES) return "it is too long";
    if (use == .write) for (abi.PROTECTED) |p| {
        if (overlap(p, path)) return "it shares a place with one that can't be edited";
    };
    return null;
}

/// Goes over the segments of a place: args is the same place as params.arguments.
const Place = struct {
    base: ?[]const u8,
    first: Segments,
    second: Segments,

    fn of(path: []const u8) Place {
        const name = nameOf(path).?;
        const base = nameOf(name.at).?.name;
        const own = mem.eql(u8, name.at, name.name);
        const at: Segments = if (own) .{ .rest = "" } else .{ .rest = name.at[rootOf(name.at).len..] };
        return .{ .base = if (own) base else rootOf(name.at), .first = at, .second = segments(path) };
    }

    /// The longest other name that a name's place begins with.
    fn rootOf(at: []const u8) []const u8 {
        for (abi.NAMES) |n| {
            if (mem.eql(u8, n.at, n.name) and mem.startsWith(u8, at, n.name) and (at.len == n.name.len or at[n.name.len] == '.')) return n.name;
        }
        return at;
    }

    fn next(p: *Place) SyntaxError!?Segment {
        if (p.base) |b| {
            p.base = null;
            return .{ .key = b };
        }
        return try p.first.next() orelse try p.second.next();
    }
};

/// Whether a place is at or below a declared one.
pub fn covers(declared: []const u8, place: []const u8) bool {
    if (nameOf(declared) == null or nameOf(place) == null) return false;
    var d: Place = .of(declared);
    var p: Place = .of(place);
    while (d.next() catch return false) |want| {
        const got = (p.next() catch return false) orelse return false;
        if (!want.takes(got)) return false;
    }
    return true;
}

/// Whether two declared paths share a place.
pub fn overlap(one: []const u8, other: []const u8) bool {
    var a: Place = .of(one);
    var b: Place = .of(other);
    while (true) {
        const x = (a.next() catch return false) orelse return true;
        const y = (b.next() catch return false) orelse return true;
        if (!x.takes(y) and !y.takes(x)) return false;
    }
}

/// The text of a key as it is written in brackets, in memory of the same size.
pub fn unescape(out: []u8, key: []const u8) []u8 {
    var n: usize = 0;
    var i: usize = 0;
    while (i < key.len) : (n += 1) {
        if (key[i] != '\\') {
            out[n] = key[i];
            i += 1;
        } else if (key[i + 1] == 'u') {
            out[n] = std.fmt.parseInt(u8, key[i + 4 .. i + 6], 16) catch unreachable;
            i += 6;
        } else {
            const plain = "\"\\\x08\t\n\x0c\r";
            out[n] = plain[mem.findScalar(u8, "\"\\btnfr", key[i + 1]).?];
            i += 2;
        }
    }
    return out[0..n];
}

const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;

test "a path has one spelling" {
    for ([_][]const u8{
        "args",             "args.path",   "args.in",       "args[0].x",        "args[\"odd key\"]", "args[\"\"]",
        "args[\"a\\\"b\"]", "args[\"0\"]", "mcp.tool.name", "args[2147483647]", "args[\"\\u001f\"]", "args[\"\\n\"]",
        "params.name",      "mcp.result",  "items[*].name", "items[3].x",
    }) |p| {
        errdefer std.debug.print("{s}\n", .{p});
        const hook = if (mem.startsWith(u8, p, "items")) abi.HOOK_LIST else abi.HOOK_RESPONSE;
        try expectEqual(null, wrong(p, hook, .read));
    }
    for ([_][]const u8{
        "",                "arg",                 "args.",             "args.a-b",                 "args[\"path\"]",      "args[01]", "args[2147483648]", "args[-1]", "args[+1]",
        "args[]",          "args[\"a]",           "args[\"\\u0041\"]", "args[\"\\u000a\"]",        "args..a",             "argsx",    "args[*]",          "args[1",   "args[\"\\/\"]",
        "mcp.tool.name.x", "principal.groups[0]", "request.headers",   "request.headers[\"X-A\"]", "request.headers.a.b", "items",    "principal",
    }) |p| {
        errdefer std.debug.print("{s}\n", .{p});
        try expect(wrong(p, abi.HOOK_REQUEST, .read) != null);
    }
}

test "what can't be edited is not taken for it" {
    try expectEqual(null, wrong("args.path", null, .write));
    try expectEqual(null, wrong("items[*].description", null, .write));
    try expectEqual(null, wrong("params.messages[*].content", abi.HOOK_REQUEST, .strings));
    for ([_][]const u8{ "mcp.tool.name", "params", "params.name", "params._meta.x", "items[*].name", "items[3]" }) |p| {
        errdefer std.debug.print("{s}\n", .{p});
        try expect(wrong(p, null, .write) != null);
    }
    try expect(wrong("mcp.result", abi.HOOK_REQUEST, .strings) != null);
}

test "a place is at or below another by its segments" {
    for ([_][2][]const u8{
        .{ "args", "args.path" },                      .{ "args", "params.arguments.path" },   .{ "params.arguments.a", "args.a[0]" },
        .{ "args.list[*].text", "args.list[7].text" }, .{ "mcp.tool.result", "mcp.result.x" }, .{ "params", "args" },
        .{ "args.path", "args.path" },                 .{ "items[*]", "items[0].name" },
    }) |p| {
        errdefer std.debug.print("{s} {s}\n", .{ p[0], p[1] });
        try expect(covers(p[0], p[1]));
    }
    for ([_][2][]const u8{
        .{ "args.path", "args" },           .{ "args.path", "args.paths" }, .{ "args[\"0\"]", "args[0]" },
        .{ "args.list[*]", "args.list.a" }, .{ "mcp.result", "args" },      .{ "args", "items" },
    }) |p| {
        errdefer std.debug.print("{s} {s}\n", .{ p[0], p[1] });
        try expect(!covers(p[0], p[1]));
    }
}

test "a key is read as it was meant" {
    var memory: [32]u8 = undefined;
    try std.testing.expectEqualStrings("a\"\\\x1f\n", unescape(&memory, "a\\\"\\\\\\u001f\\n"));
}
