//! Whether a path stays where it may. A text is read in every way that a program might read it, and
//! each must be good.

const std = @import("std");
const text = @import("text.zig");
const url = @import("url.zig");
const windows = @import("windows.zig");
const mem = std.mem;

/// Why a path is refused.
pub const Why = enum {
    outside,
    too_long,
    control,
    encoding,
    url,
    home,
    variable,
    drive,
    unc,
    device,
    stream,
    short_name,
    dots,
    dotdot,
    name,
    hidden,
    extension,

    /// For people.
    pub fn explain(why: Why) []const u8 {
        return switch (why) {
            .outside => "leads out of the directories that are allowed",
            .too_long => "is too long",
            .control => "has control characters",
            .encoding => "is encoded in a way that can't be judged",
            .url => "is a URL",
            .home => "begins in a home directory",
            .variable => "has a variable or a command in it",
            .drive => "is relative to a drive",
            .unc => "names another machine",
            .device => "names a device",
            .stream => "names a stream of a file",
            .short_name => "has a short name that stands for another",
            .dots => "has a name of dots and blanks",
            .dotdot => "has .. in it",
            .name => "has a name that is not allowed",
            .hidden => "has a name that begins with a dot",
            .extension => "has an extension that is not allowed",
        };
    }
};

pub const Platform = enum { any, posix, windows };
pub const Choice = enum { refuse, allow };

/// What is asked of paths.
pub const Rules = struct {
    roots: []const Place = &.{},
    /// Where relative paths begin; if there is none, they begin somewhere in a root.
    base: ?Place = null,
    clean: bool = false,
    platform: Platform = .any,
    relative: Choice = .allow,
    dotdot: Choice = .allow,
    expansion: Choice = .refuse,
    urls: Choice = .allow,
    devices: Choice = .refuse,
    streams: Choice = .refuse,
    short_names: Choice = .refuse,
    hidden: Choice = .allow,
    ignore_case: bool = false,
    names: []const text.Glob = &.{},
    except: []const text.Glob = &.{},
    extensions: ?[]const text.Glob = null,
    denied_extensions: []const text.Glob = &.{},
};

/// Where a path leads: its names, without . and ..
pub const Place = struct {
    absolute: bool,
    /// The letter of a drive in lower case, 0 without one.
    drive: u8 = 0,
    names: []const []const u8,
};

pub const Finding = union(enum) { good, refused: Why, cleaned: []const u8 };

/// The longest path that is judged, in bytes. PATH_MAX of Linux.
pub const longest = 4096;

/// Judges a path. Memory of gpa is used for its readings.
pub fn judge(gpa: mem.Allocator, rules: *const Rules, path: []const u8) error{OutOfMemory}!Finding {
    if (path.len > longest) return .{ .refused = .too_long };
    // No reading is longer than the path.
    const room = try gpa.alloc([]const u8, mostNames(path) + if (rules.base) |b| b.names.len else 0);
    var reading = path;
    var last = path;
    for (0..text.layers + 1) |_| {
        if (text.isPlain(reading)) {
            last = reading;
            if (refused(room, rules, reading)) |why| return .{ .refused = why };
            break;
        }
        // As it is, and with lookalikes taken for what they look like.
        const other = try text.folded(gpa, reading);
        last = other orelse reading;
        if (refused(room, rules, reading)) |why| return .{ .refused = why };
        if (other) |o| if (refused(room, rules, o)) |why| return .{ .refused = why };
        // With a layer of percent signs less.
        reading = try text.decoded(gpa, reading) orelse if (other) |o| try text.decoded(gpa, o) orelse break else break;
    } else return .{ .refused = .encoding };
    return if (rules.clean) clean(gpa, room, rules, path, last) else .good;
}

/// The most names that a path can have.
pub fn mostNames(path: []const u8) usize {
    return path.len / 2 + 1;
}

/// Whether a text must be refused as it stands. To clean, only what can't be mended is refused.
fn refused(room: [][]const u8, rules: *const Rules, reading: []const u8) ?Why {
    if (text.hasControl(reading)) return .control;
    if (rules.clean) return null;
    if (refusedAsItIs(room, rules, reading)) |why| return why;
    const inner = text.stripped(reading);
    return if (inner.len < reading.len) refusedAsItIs(room, rules, inner) else null;
}

fn refusedAsItIs(room: [][]const u8, rules: *const Rules, reading: []const u8) ?Why {
    if (rules.platform != .posix) if (judgeReading(room, rules, reading, .windows)) |why| return why;
    // Where nothing in it is a matter of the system, the stricter reading was enough.
    if (rules.platform == .any and mem.findAny(u8, reading, "\\:") == null) return null;
    return if (rules.platform != .windows) judgeReading(room, rules, reading, .posix) else null;
}

/// As what a path is read.
pub const Reading = enum { posix, windows };

fn judgeReading(room: [][]const u8, rules: *const Rules, reading: []const u8, as: Reading) ?Why {
    return switch (resolve(room, rules, reading, as)) {
        .refused => |why| why,
        .place => |p| allowed(rules, p),
    };
}

/// Makes a path that can be read in one way of one that may be read in several, if it is good.
fn clean(gpa: mem.Allocator, room: [][]const u8, rules: *const Rules, path: []const u8, reading: []const u8) error{OutOfMemory}!Finding {
    var plain = reading;
    // What begins with two slashes may be meant as one.
    while (plain.len > 1 and plain[0] == '/' and plain[1] == '/' and leadsIn(rules, plain)) plain = plain[1..];
    const place = switch (resolve(room, rules, plain, if (rules.platform == .posix) .posix else .windows)) {
        .refused => |why| return .{ .refused = why },
        .place => |p| p,
    };
    if (allowed(rules, place)) |why| return .{ .refused = why };
    if (path.len == 0) return .good;
    const out = try gpa.alloc(u8, path.len + spelledLen(rules.base) + 4);
    var n: usize = 0;
    if (place.drive != 0) {
        out[0] = std.ascii.toUpper(place.drive);
        out[1] = ':';
        n = 2;
    }
    for (place.names, 0..) |name, i| {
        if (i > 0 or place.absolute) {
            out[n] = '/';
            n += 1;
        }
        const kept = if (rules.platform == .windows) windows.trimmed(name) else name;
        @memcpy(out[n..][0..kept.len], kept);
        n += kept.len;
    }
    const end = if (plain.len > 0) plain[plain.len - 1] else 0;
    const slash = end == '/' or (end == '\\' and rules.platform != .posix);
    if (place.names.len == 0 and !place.absolute) {
        out[0] = '.';
        n = 1;
    }
    if (slash or (place.names.len == 0 and place.absolute)) {
        out[n] = '/';
        n += 1;
    }
    // What was left out may have kept it from being read as something else: ./~ is not ~.
    var strict = rules.*;
    strict.clean = false;
    if (refused(room, &strict, out[0..n])) |why| return .{ .refused = why };
    if (mem.eql(u8, out[0..n], path)) return .good;
    return if (std.unicode.utf8ValidateSlice(out[0..n])) .{ .cleaned = out[0..n] } else .{ .refused = .encoding };
}

fn spelledLen(base: ?Place) usize {
    var n: usize = 0;
    if (base) |b| for (b.names) |name| {
        n += name.len + 1;
    };
    return n;
}

/// Whether a path that begins with slashes begins with a root that has no drive.
fn leadsIn(rules: *const Rules, path: []const u8) bool {
    for (rules.roots) |root| {
        var names = mem.tokenizeScalar(u8, path, '/');
        for (root.names) |want| {
            if (!same(rules, names.next() orelse break, want)) break;
        } else if (root.drive == 0) return true;
    }
    return false;
}

pub const Resolved = union(enum) { refused: Why, place: Place };

/// Finds where a path leads. Its names are put into room, which must have place for mostNames and
/// those of the base.
pub fn resolve(room: [][]const u8, rules: *const Rules, whole: []const u8, as: Reading) Resolved {
    const foreign = as == .windows;
    const backslash = foreign; // is a slash
    var path = whole;
    if (url.scheme(path)) |s| {
        if (!s.file or rules.urls == .refuse) return .{ .refused = .url };
        path = s.rest;
        if (s.host) return .{ .refused = .unc };
    } else if (url.containsFileUrl(path)) return .{ .refused = .url };
    if (rules.expansion == .refuse) if (expands(rules, path, foreign)) |why| return .{ .refused = why };

    var place: Place = .{ .absolute = path.len > 0 and isSlash(path[0], backslash), .names = &.{} };
    if (foreign and path.len > 1 and place.absolute and isSlash(path[1], backslash)) {
        const device = path.len > 2 and (path[2] == '?' or path[2] == '.') and (path.len == 3 or isSlash(path[3], backslash));
        return .{ .refused = if (device) .device else .unc };
    }
    if (foreign and path.len > 3 and place.absolute and mem.eql(u8, path[1..3], "??") and isSlash(path[3], backslash)) return .{ .refused = .device };
    // file:///C:/x has a slash before its drive.
    if (foreign and path.len != whole.len and path.len > 2 and place.absolute and std.ascii.isAlphabetic(path[1]) and (path[2] == ':' or path[2] == '|')) path = path[1..];
    if (foreign and path.len > 1 and std.ascii.isAlphabetic(path[0]) and (path[1] == ':' or (path[1] == '|' and path.len != whole.len))) {
        if (path.len == 2 or !isSlash(path[2], backslash)) return .{ .refused = .drive };
        place = .{ .absolute = true, .drive = std.ascii.toLower(path[0]), .names = &.{} };
        path = path[2..];
    }
    const drive_elsewhere = rules.platform == .any and path.len > 1 and path[1] == ':';
    if (!place.absolute and rules.relative == .refuse and path.len > 0 and !drive_elsewhere) return .{ .refused = .outside };

    const start: []const []const u8 = if (place.absolute or rules.base == null) &.{} else rules.base.?.names;
    @memcpy(room[0..start.len], start);
    var n = start.len;
    if (!place.absolute) if (rules.base) |b| {
        place = .{ .absolute = true, .drive = b.drive, .names = &.{} };
    };
    var i: usize = 0;
    while (i < path.len) {
        const from = i;
        while (i < path.len and !isSlash(path[i], backslash)) i += 1;
        const name = path[from..i];
        i += 1;
        if (name.len == 0 or mem.eql(u8, name, ".")) continue;
        if (mem.eql(u8, name, "..")) {
            if (rules.dotdot == .refuse) return .{ .refused = .dotdot };
            if (n == 0 and !place.absolute) return .{ .refused = .outside };
            n -|= 1;
            continue;
        }
        if (foreign) if (strange(rules, name)) |why| return .{ .refused = why };
        room[n] = name;
        n += 1;
    }
    place.names = room[0..n];
    return .{ .place = place };
}

fn isSlash(b: u8, backslash: bool) bool {
    return b == '/' or (backslash and b == '\\');
}

/// What a shell, or a program that is friendly, would put something else for.
fn expands(rules: *const Rules, path: []const u8, foreign: bool) ?Why {
    if (path.len > 0 and path[0] == '~') {
        if (path.len == 1 or isSlash(path[1], foreign) or std.ascii.isAlphanumeric(path[1]) or mem.findScalar(u8, "_+-", path[1]) != null) return .home;
    }
    for (path, 0..) |b, i| switch (b) {
        '`' => return .variable,
        '$' => {
            // a.txt::$DATA is a stream.
            if (foreign and i > 0 and path[i - 1] == ':') continue;
            if (i + 1 < path.len and (std.ascii.isAlphabetic(path[i + 1]) or mem.findScalar(u8, "_{(", path[i + 1]) != null)) return .variable;
        },
        '%' => if (rules.platform != .posix) {
            var end = i + 1;
            while (end < path.len and (std.ascii.isAlphanumeric(path[end]) or mem.findScalar(u8, "_()", path[end]) != null)) end += 1;
            if (end < i + 3 or end == path.len or path[end] != '%' or !std.ascii.isAlphabetic(path[i + 1])) continue;
            // Of %C3%A9, which is a letter, C3 is no variable.
            if (!isEscape(path[i..]) or !isEscape(path[end..])) return .variable;
        },
        else => {},
    };
    return null;
}

fn isEscape(text_at_percent: []const u8) bool {
    const t = text_at_percent;
    if (t.len > 5 and (t[1] | 0x20) == 'u') return std.ascii.isHex(t[2]) and std.ascii.isHex(t[3]) and std.ascii.isHex(t[4]) and std.ascii.isHex(t[5]);
    return t.len > 2 and std.ascii.isHex(t[1]) and std.ascii.isHex(t[2]);
}

/// What is special about a name on Windows.
fn strange(rules: *const Rules, name: []const u8) ?Why {
    const kept = windows.trimmed(name);
    if (kept.len == 0) return .dots;
    if (rules.streams == .refuse and mem.findScalar(u8, name, ':') != null) return .stream;
    if (rules.devices == .refuse and windows.isDevice(kept)) return .device;
    if (rules.short_names == .refuse and windows.isShort(kept)) return .short_name;
    return null;
}

fn same(rules: *const Rules, a: []const u8, b: []const u8) bool {
    if (rules.platform == .windows) return std.ascii.eqlIgnoreCase(windows.trimmed(a), windows.trimmed(b));
    return if (rules.ignore_case) std.ascii.eqlIgnoreCase(a, b) else mem.eql(u8, a, b);
}

/// Whether a place is one that may be.
fn allowed(rules: *const Rules, place: Place) ?Why {
    var below: ?[]const []const u8 = if (place.absolute) null else place.names;
    if (place.absolute) for (rules.roots) |root| {
        if (root.drive != place.drive or root.names.len > place.names.len) continue;
        for (root.names, place.names[0..root.names.len]) |want, got| {
            const alike = if (root.drive != 0) std.ascii.eqlIgnoreCase(want, got) else same(rules, want, got);
            if (!alike) break;
        } else if (below == null or below.?.len > place.names.len - root.names.len) below = place.names[root.names.len..];
    };
    const names = below orelse return .outside;
    for (names, 1..) |name, i| {
        const kept = if (rules.platform == .posix) name else windows.trimmed(name);
        if (rules.hidden == .refuse and mem.startsWith(u8, kept, ".")) return .hidden;
        const form = text.comparable(&scratch, kept);
        if (any(rules.names, form) and !any(rules.except, form)) return .name;
        if (i == names.len) return extension(rules, form);
    }
    return null;
}

/// For the form of one name at a time. Not on the stack, where safe code fills it first.
var scratch: [longest]u8 = undefined;

fn extension(rules: *const Rules, name: []const u8) ?Why {
    const dot = mem.findScalarLast(u8, name, '.') orelse 0;
    const end = if (dot == 0) "" else name[dot + 1 ..];
    if (rules.extensions) |list| if (!any(list, end)) return .extension;
    return if (any(rules.denied_extensions, end)) .extension else null;
}

fn any(globs: []const text.Glob, name: []const u8) bool {
    for (globs) |g| if (g.matches(name)) return true;
    return false;
}
