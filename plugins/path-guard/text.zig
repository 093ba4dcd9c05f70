//! How else a text may be read: percent signs resolved, lookalikes taken for what they look like.

const std = @import("std");
const mem = std.mem;

/// How often a text may be encoded.
pub const layers = 6;

/// Whether a text has nothing in it that could be read otherwise.
pub fn isPlain(text: []const u8) bool {
    for (text) |b| if (b >= 0x80 or b == '%') return false;
    return true;
}

/// Resolves one layer of %XX and %uXXXX. Null if there is none.
pub fn decoded(gpa: mem.Allocator, text: []const u8) error{OutOfMemory}!?[]u8 {
    var out: ?[]u8 = null;
    var n: usize = 0;
    var i: usize = 0;
    while (i < text.len) {
        const wide = text[i] == '%' and i + 5 < text.len and (text[i + 1] | 0x20) == 'u';
        const code: ?u21 = if (text[i] != '%') null else if (wide) number(text[i + 2 ..][0..4]) else if (i + 2 < text.len) number(text[i + 1 ..][0..2]) else null;
        const c = code orelse {
            if (out) |o| o[n] = text[i];
            n += 1;
            i += 1;
            continue;
        };
        if (out == null) {
            out = try gpa.alloc(u8, text.len);
            @memcpy(out.?[0..i], text[0..i]);
        }
        if (!wide) {
            out.?[n] = @intCast(c);
            n += 1;
            i += 3;
        } else {
            n += std.unicode.utf8Encode(c, out.?[n..][0..4]) catch put(out.?[n..], '?');
            i += 6;
        }
    }
    return if (out) |o| o[0..n] else null;
}

fn put(out: []u8, b: u8) u3 {
    out[0] = b;
    return 1;
}

fn number(digits: []const u8) ?u21 {
    var out: u21 = 0;
    for (digits) |d| out = out << 4 | switch (d) {
        '0'...'9' => d - '0',
        'a'...'f' => d - 'a' + 10,
        'A'...'F' => d - 'A' + 10,
        else => return null,
    };
    return out;
}

pub const Character = struct { code: u21, len: usize };

/// A character of a text that may not be UTF-8, and how many bytes it has. Forms that are longer
/// than they need be are taken for what they mean; a byte that is no part of a character is 0x110000.
pub fn character(text: []const u8) Character {
    const b = text[0];
    const len: usize = if (b < 0xc0) 1 else if (b < 0xe0) 2 else if (b < 0xf0) 3 else if (b < 0xf8) 4 else 1;
    const broken: Character = .{ .code = 0x110000, .len = 1 };
    if (b < 0x80) return .{ .code = b, .len = 1 };
    if (len == 1 or text.len < len) return broken;
    var code: u21 = switch (len) {
        2 => b & 0x1f,
        3 => b & 0x0f,
        else => b & 0x07,
    };
    for (text[1..len]) |next| {
        if (next & 0xc0 != 0x80) return broken;
        code = code << 6 | (next & 0x3f);
    }
    return .{ .code = code, .len = len };
}

/// Takes characters that look like the ones that paths are made of for these, and leaves invisible
/// ones out. Null if there are none.
pub fn folded(gpa: mem.Allocator, text: []const u8) error{OutOfMemory}!?[]u8 {
    var out: ?[]u8 = null;
    var n: usize = 0;
    var i: usize = 0;
    while (i < text.len) {
        if (text[i] < 0x80) {
            if (out) |o| o[n] = text[i];
            n += 1;
            i += 1;
            continue;
        }
        const c = character(text[i..]);
        const as = meaning(c.code);
        if (as != null and out == null) {
            out = try gpa.alloc(u8, text.len);
            @memcpy(out.?[0..i], text[0..i]);
        }
        const bytes = as orelse text[i..][0..c.len];
        if (out) |o| @memcpy(o[n..][0..bytes.len], bytes);
        n += bytes.len;
        i += c.len;
    }
    return if (out) |o| o[0..n] else null;
}

const ascii: [128]u8 = blk: {
    var all: [128]u8 = undefined;
    for (&all, 0..) |*b, i| b.* = i;
    break :blk all;
};

/// What a character that isn't one of ASCII may be taken for; never longer than itself.
fn meaning(c: u21) ?[]const u8 {
    return switch (c) {
        // Written with more bytes than it needs.
        0...0x7f => ascii[c..][0..1],
        0x2044, 0x2215, 0x29f8, 0x27cb, 0x2571, 0xff0f => "/",
        0x2216, 0x29f5, 0x29f9, 0x27cd, 0x2572, 0xfe68, 0xff3c => "\\",
        0x2024, 0x3002, 0xfe52, 0xff0e, 0xff61 => ".",
        0x2025, 0xfe30 => "..",
        0x2026, 0xfe19 => "...",
        0x2236, 0xa789, 0xfe13, 0xfe55, 0xff1a => ":",
        0x066a, 0xfe6a, 0xff05 => "%",
        0x02dc, 0x223c, 0xff5e => "~",
        0xfe69, 0xff04 => "$",
        // Soft hyphen, zero widths, joiners, marks, invisible operators, variation selectors, BOM.
        0x00ad, 0x034f, 0x061c, 0x180e, 0x200b...0x200f, 0x2060...0x2064, 0xfe00...0xfe0f, 0xfeff => "",
        else => null,
    };
}

/// A text without the blanks around it that a program may strip.
pub fn stripped(text: []const u8) []const u8 {
    var from: usize = 0;
    while (from < text.len) {
        const c = character(text[from..]);
        if (!isBlank(c.code)) break;
        from += c.len;
    }
    var to = text.len;
    while (to > from) {
        var last = to - 1;
        while (last > from and text[last] & 0xc0 == 0x80) last -= 1;
        const c = character(text[last..to]);
        if (!isBlank(c.code) or last + c.len != to) break;
        to = last;
    }
    return text[from..to];
}

fn isBlank(c: u21) bool {
    return switch (c) {
        ' ', 0xa0, 0x1680, 0x2000...0x200a, 0x202f, 0x205f, 0x3000, 0xfeff => true,
        else => false,
    };
}

/// Whether a text has a character that no path needs: controls, line separators, controls of
/// direction that reorder what a person reads.
pub fn hasControl(text: []const u8) bool {
    var i: usize = 0;
    while (i < text.len) {
        if (text[i] < 0x80) {
            if (text[i] < 0x20 or text[i] == 0x7f) return true;
            i += 1;
            continue;
        }
        const c = character(text[i..]);
        i += c.len;
        switch (c.code) {
            0...0x1f, 0x7f...0x9f, 0x2028, 0x2029, 0x202a...0x202e, 0x2066...0x2069, 0xfff9...0xfffb, 0xe0000...0xe007f => return true,
            else => {},
        }
    }
    return false;
}

/// A text without its controls of one byte, as parsers of URLs read it.
pub fn withoutControls(gpa: mem.Allocator, text: []const u8) error{OutOfMemory}![]const u8 {
    const out = try gpa.alloc(u8, text.len);
    var n: usize = 0;
    for (text) |b| if (b >= 0x20 and b != 0x7f) {
        out[n] = b;
        n += 1;
    };
    return out[0..n];
}

/// The letters of a name as a file system that knows no case and no width might compare them.
pub fn comparable(out: []u8, name: []const u8) []u8 {
    var n: usize = 0;
    var i: usize = 0;
    while (i < name.len) {
        if (name[i] < 0x80) {
            out[n] = std.ascii.toLower(name[i]);
            n += 1;
            i += 1;
            continue;
        }
        const c = character(name[i..]);
        const as: u21 = switch (c.code) {
            0xff01...0xff20, 0xff3b...0xff5e => c.code - 0xfee0,
            0xff21...0xff3a => c.code - 0xfee0 + 0x20,
            0x017f => 's',
            0x212a => 'k',
            else => c.code,
        };
        if (as < 0x80) {
            out[n] = @intCast(as);
            n += 1;
        } else {
            @memcpy(out[n..][0..c.len], name[i..][0..c.len]);
            n += c.len;
        }
        i += c.len;
    }
    return out[0..n];
}

/// A glob for names, sorted by what it takes to match it.
pub const Glob = struct {
    kind: enum { exact, prefix, suffix, other },
    /// Without the star of a prefix or a suffix.
    text: []const u8,

    pub fn of(glob: []const u8) Glob {
        const first = mem.findAny(u8, glob, "*?") orelse return .{ .kind = .exact, .text = glob };
        if (glob[first] == '*' and first == glob.len - 1) return .{ .kind = .prefix, .text = glob[0..first] };
        if (glob[0] == '*' and mem.findAny(u8, glob[1..], "*?") == null) return .{ .kind = .suffix, .text = glob[1..] };
        return .{ .kind = .other, .text = glob };
    }

    pub fn matches(g: Glob, name: []const u8) bool {
        if (g.kind == .other) return match(g.text, name, "");
        if (g.text.len > name.len or (g.kind == .exact and g.text.len != name.len)) return false;
        const at = if (g.kind == .suffix) name.len - g.text.len else 0;
        for (g.text, name[at..][0..g.text.len]) |a, b| if (a != b) return false;
        return true;
    }
};

/// Whether a text is of the form of a glob: * is any run of bytes without one of stops, ** any run,
/// ? one byte.
pub fn match(glob: []const u8, text: []const u8, stops: []const u8) bool {
    var g: usize = 0;
    var t: usize = 0;
    // Where to go on if what follows the last star doesn't fit.
    var star: ?usize = null;
    var deep = false;
    var from: usize = 0;
    while (true) {
        if (g < glob.len and glob[g] == '*') {
            deep = g + 1 < glob.len and glob[g + 1] == '*';
            g += if (deep) 2 else 1;
            star = g;
            from = t;
        } else if (t < text.len and g < glob.len and (glob[g] == text[t] or glob[g] == '?')) {
            g += 1;
            t += 1;
        } else if (t == text.len and g == glob.len) {
            return true;
        } else {
            const back = star orelse return false;
            if (from >= text.len or (!deep and mem.findScalar(u8, stops, text[from]) != null)) return false;
            from += 1;
            t = from;
            g = back;
        }
    }
}

const expectEqualStrings = std.testing.expectEqualStrings;
const expect = std.testing.expect;

test "a layer of percent signs is resolved" {
    for ([_]struct { []const u8, ?[]const u8 }{
        .{ "a/b", null },      .{ "100%", null },         .{ "%zz%4", null },        .{ "%2e%2E/", "../" },
        .{ "%252e", "%2e" },   .{ "%u002fa", "/a" },      .{ "%u2215", "\u{2215}" }, .{ "%ud800x", "?x" },
        .{ "a%20b%", "a b%" }, .{ "%c0%af", "\xc0\xaf" }, .{ "%%32e", "%2e" },
    }) |case| {
        var memory: [64]u8 = undefined;
        var fixed: std.heap.FixedBufferAllocator = .init(&memory);
        const got = try decoded(fixed.allocator(), case[0]);
        try std.testing.expectEqual(case[1] == null, got == null);
        if (case[1]) |want| try expectEqualStrings(want, got.?);
    }
}

test "lookalikes are taken for what they look like" {
    for ([_]struct { []const u8, ?[]const u8 }{
        .{ "caf\u{e9}", null },                             .{ "\u{ff0e}\u{ff0e}\u{ff0f}x", "../x" }, .{ "\u{2025}\u{2215}", "../" },
        .{ "\xc0\xae\xe0\x80\xaf\xf0\x80\x80\xae", "./." }, .{ ".g\u{200c}it", ".git" },              .{ "\xff\u{2044}", "\xff/" },
        .{ "a\xc3", null },
    }) |case| {
        var memory: [64]u8 = undefined;
        var fixed: std.heap.FixedBufferAllocator = .init(&memory);
        const got = try folded(fixed.allocator(), case[0]);
        try std.testing.expectEqual(case[1] == null, got == null);
        if (case[1]) |want| try expectEqualStrings(want, got.?);
    }
}

test "blanks around a text are stripped" {
    try expectEqualStrings("a b", stripped(" \u{a0}a b\u{3000} "));
    try expectEqualStrings("\xc2", stripped(" \xc2"));
    try expectEqualStrings("", stripped("  "));
    try expectEqualStrings("a\xa0", stripped("a\xa0"));
}

test "controls are seen in any form" {
    for ([_][]const u8{ "a\x00", "\n", "\x7f", "\xc2\x85", "\xc0\x80", "\u{202e}x", "\u{2029}" }) |t| try expect(hasControl(t));
    for ([_][]const u8{ "a b", "caf\u{e9}", "\xff", "\u{200d}" }) |t| try expect(!hasControl(t));
}

test "globs" {
    for ([_][3][]const u8{
        .{ "*", "", "" },                    .{ "*.pem", "a.b.pem", "" },        .{ "a*b*c", "aXbbXc", "" }, .{ "id_?sa", "id_rsa", "" },
        .{ "**.path", "a.b[0].path", ".[" }, .{ "files[*]", "files[10]", ".[" }, .{ "a**", "a.b", ".[" },    .{ "*_path", "in_path", ".[" },
    }) |case| try expect(match(case[0], case[1], case[2]));
    for ([_][3][]const u8{
        .{ "", "a", "" },                .{ "a?", "a", "" },               .{ "a*b", "abc", "" },  .{ "a*", "a.b", ".[" },
        .{ "*.path", "a.b.path", ".[" }, .{ "*.path", "a[0].path", ".[" }, .{ "*", "a[0]", ".[" },
    }) |case| try expect(!match(case[0], case[1], case[2]));
}

test "a glob is sorted by its form" {
    for ([_][3][]const u8{
        .{ "exact", ".env", ".env" }, .{ "prefix", "id_rsa*", "id_rsa.bak" }, .{ "suffix", "*.pem", "a.pem" },
        .{ "other", "a*b", "axb" },   .{ "other", "?nv", "env" },             .{ "prefix", "*", "" },
        .{ "exact", "", "" },
    }) |case| {
        const g: Glob = .of(case[1]);
        try expectEqualStrings(case[0], @tagName(g.kind));
        try expect(g.matches(case[2]));
        try expect(g.matches("nothing of it") == std.mem.eql(u8, case[1], "*"));
    }
}

test "names are compared without case and width" {
    var out: [64]u8 = undefined;
    try expectEqualStrings(".git\u{e9}ks", comparable(&out, "\u{ff0e}G\u{ff29}t\u{e9}\u{212a}\u{17f}"));
}
