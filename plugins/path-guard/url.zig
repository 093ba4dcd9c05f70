//! Paths that are written as URLs.

const std = @import("std");
const text = @import("text.zig");
const mem = std.mem;

const Scheme = struct { file: bool, host: bool, rest: []const u8 };

/// The scheme that a URL begins with. file:x, which no program agrees about, counts as another one.
pub fn scheme(path: []const u8) ?Scheme {
    var n: usize = 0;
    while (n < path.len and (std.ascii.isAlphanumeric(path[n]) or (n > 0 and mem.findScalar(u8, "+.-", path[n]) != null))) n += 1;
    if (n < 2 or n >= path.len or path[n] != ':') return null;
    const rest = path[n + 1 ..];
    const file = std.ascii.eqlIgnoreCase(path[0..n], "file");
    if (!file) return if (mem.startsWith(u8, rest, "//")) .{ .file = false, .host = false, .rest = rest } else null;
    if (!mem.startsWith(u8, rest, "/")) return .{ .file = mem.startsWith(u8, rest, "\\"), .host = true, .rest = rest };
    if (!mem.startsWith(u8, rest, "//")) return .{ .file = true, .host = false, .rest = rest };
    const host = mem.findScalar(u8, rest[2..], '/') orelse return .{ .file = true, .host = true, .rest = rest };
    const name = rest[2..][0..host];
    return .{ .file = true, .host = name.len > 0 and !std.ascii.eqlIgnoreCase(name, "localhost"), .rest = rest[2 + host ..] };
}

/// Whether a URL is inside of another, as in jar:file:/x!/y.
pub fn containsFileUrl(path: []const u8) bool {
    var from: usize = 0;
    while (mem.findScalar(u8, path[from..], ':')) |at| : (from += at + 1) {
        const colon = from + at;
        if (colon >= 4 and std.ascii.eqlIgnoreCase(path[colon - 4 .. colon], "file") and colon + 1 < path.len and path[colon + 1] == '/') return true;
    }
    return false;
}

/// Whether a URI that doesn't begin as a file: URL may be taken for one all the same, or has one in
/// it: behind blanks, with controls in its scheme, which parsers of URLs leave out, or encoded.
pub fn hidesFileUrl(gpa: mem.Allocator, uri: []const u8) error{OutOfMemory}!bool {
    var reading = uri;
    for (0..text.layers + 1) |_| {
        const seen = try text.folded(gpa, reading) orelse reading;
        if (hasFileUrl(seen) or hasFileUrl(try text.withoutControls(gpa, seen))) return true;
        reading = try text.decoded(gpa, seen) orelse return false;
    }
    return true;
}

/// Whether file: stands at the beginning, or somewhere as a word before a path.
fn hasFileUrl(uri: []const u8) bool {
    var from: usize = 0;
    while (mem.findScalar(u8, uri[from..], ':')) |at| : (from += at + 1) {
        const colon = from + at;
        if (colon < 4 or !std.ascii.eqlIgnoreCase(uri[colon - 4 .. colon], "file")) continue;
        if (text.stripped(uri[0 .. colon - 4]).len == 0) return true;
        const before = uri[colon - 5];
        // profile:/x and my-file:/x are schemes of their own; git+file:/x is read as a file.
        if (std.ascii.isAlphanumeric(before) or mem.findScalar(u8, "-._", before) != null) continue;
        const rest = text.stripped(uri[colon + 1 ..]);
        if (rest.len > 0 and (rest[0] == '/' or rest[0] == '\\')) return true;
        if (rest.len > 1 and std.ascii.isAlphabetic(rest[0]) and (rest[1] == ':' or rest[1] == '|')) return true;
    }
    return false;
}
