//! What a call of a test has seen and done.

const std = @import("std");
const abi = @import("../abi.zig");
const path = @import("../path.zig");
const tree = @import("tree.zig");
const testing = @import("../testing.zig");
const manifest_zig = @import("../manifest.zig");

const mem = std.mem;
const Value = std.json.Value;
const Verdict = testing.Verdict;
const State = @This();

/// That of the plugin that is being called.
pub threadlocal var current: ?*State = null;

gpa: mem.Allocator,
world: testing.Options,
manifest: manifest_zig.Manifest,
/// Null while booting.
hook: ?manifest_zig.Hook = null,
message: testing.Message = .{},
at: tree.Message = .{},
strings: []tree.String = &.{},
failed: bool = false,
out: testing.Outcome = .{},
edits: std.ArrayList(testing.Edit) = .empty,
dropped: std.ArrayList(usize) = .empty,
notes: std.ArrayList([2][]const u8) = .empty,
labels: std.ArrayList([]const u8) = .empty,
logs: std.ArrayList([]const u8) = .empty,
said: usize = 0,

/// Reads the message, once.
pub fn parse(h: *State) !void {
    const m = h.message;
    h.at = try .parse(h.gpa, m.method, m.tool, m.args, m.params, m.result, m.items);
    h.strings = try tree.strings(h.gpa, &h.at, h.manifest.strings.of(h.hook.?));
}

/// Whether a function may be called now.
pub fn ready(h: *State, name: []const u8, only_list: bool) bool {
    if (h.hook == null) h.fail("abi", "{s} is called before the first hook", .{name});
    if (h.hook != null and only_list and h.hook.? != .list) h.fail("abi", "{s} is called in another hook than list", .{name});
    return !h.failed;
}

fn isWithheld(h: *State, what: []const u8) bool {
    for (h.world.withheld) |w| if (mem.eql(u8, w, what)) return true;
    return false;
}

// ---- failures, and texts that stay ----

/// Notes a failure. What happened first holds.
pub fn fail(h: *State, kind: []const u8, comptime format: []const u8, args: anytype) void {
    if (h.failed) return;
    h.failed = true;
    h.out.failure = kind;
    h.out.why = h.print(format, args) catch "no memory";
}

pub fn print(h: *State, comptime format: []const u8, args: anytype) error{OutOfMemory}![]const u8 {
    return std.fmt.allocPrint(h.gpa, format, args);
}

pub fn keep(h: *State, bytes: []const u8) []const u8 {
    return h.gpa.dupe(u8, bytes) catch @panic("no memory");
}

// ---- fields ----

/// The path of a read, null if it may not be read.
pub fn field(h: *State, id: i32) ?[]const u8 {
    const all = h.manifest.reads.of(h.hook.?);
    if (id < 0 or id >= all.len) {
        h.fail("capability", "field {d} is not declared", .{id});
        return null;
    }
    const p = all[@intCast(id)];
    if (!h.isWithheld(p)) return p;
    h.fail("capability", "{s} is not granted", .{p});
    return null;
}

pub fn fieldValue(h: *State, id: i32) ?Value {
    const p = h.field(id) orelse return null;
    if (mem.startsWith(u8, p, "items[*]")) return null;
    return h.lookup(p);
}

pub fn lookup(h: *State, p: []const u8) ?Value {
    const name = path.nameOf(p).?;
    if (h.at.base(name.name)) |v| return tree.walk(v, path.segments(p));
    const m = h.message;
    if (mem.eql(u8, name.name, "mcp.method")) return .{ .string = m.method };
    if (mem.eql(u8, name.name, "mcp.tool.name")) return if (h.at.tool.len > 0) .{ .string = h.at.tool } else null;
    if (mem.eql(u8, name.name, "mcp.tool.target")) return if (h.at.tool.len > 0) .{ .string = m.server } else null;
    if (mem.eql(u8, name.name, "request.mcp.backend")) return .{ .string = m.server };
    for (m.with) |w| if (mem.eql(u8, w[0], name.name)) {
        const v = tree.parse(h.gpa, w[1]) catch @panic("the test gives what is not JSON");
        return tree.walk(v, path.segments(p));
    };
    return null;
}

/// Lays out all fields or all strings.
pub fn viewInto(h: *State, what: i32, buf: []u8) !i32 {
    const Entry = struct { kind: i32, bytes: []const u8, path: usize };
    const gpa = h.gpa;
    var all: std.ArrayList(Entry) = .empty;
    if (what == abi.VIEW_FIELDS) {
        for (h.manifest.reads.of(h.hook.?), 0..) |_, i| {
            const v = h.fieldValue(@intCast(i));
            try all.append(gpa, .{ .kind = if (v) |x| tree.kind(x) else abi.KIND_ABSENT, .bytes = if (v) |x| try tree.bytes(gpa, x) else "", .path = i });
        }
    } else {
        for (h.strings) |s| try all.append(gpa, .{ .kind = abi.KIND_STRING, .bytes = s.text, .path = s.declared });
    }
    if (h.failed) return abi.CODE_ABSENT;
    var at: usize = abi.VIEW_HEADER_BYTES + abi.VIEW_ENTRY_BYTES * all.items.len;
    var size = at;
    for (all.items) |e| size += e.bytes.len;
    if (size > buf.len) return @intCast(size);
    put(buf, 0, all.items.len);
    put(buf, 4, size);
    for (all.items, 0..) |e, i| {
        const entry = buf[abi.VIEW_HEADER_BYTES + abi.VIEW_ENTRY_BYTES * i ..];
        for ([_]usize{ @intCast(e.kind), at, e.bytes.len, e.path }, 0..) |n, k| put(entry, 4 * k, n);
        @memcpy(buf[at..][0..e.bytes.len], e.bytes);
        at += e.bytes.len;
    }
    return @intCast(size);
}

fn put(buf: []u8, at: usize, n: usize) void {
    mem.writeInt(u32, buf[at..][0..4], @intCast(n), .little);
}

// ---- edits ----

pub fn mayEdit(h: *State, place: []const u8) bool {
    var it: path.Segments = .{ .rest = if (path.nameOf(place)) |n| place[n.name.len..] else {
        h.fail("abi", "{s} is not a field path", .{place});
        return false;
    } };
    while (it.next() catch {
        h.fail("abi", "{s} is not a field path", .{place});
        return false;
    }) |s| if (s == .star) {
        h.fail("abi", "{s} is more than one place", .{place});
        return false;
    };
    const editable = mem.findScalar(i32, path.nameOf(place).?.edit, @backingInt(h.hook.?)) != null;
    var declared = false;
    for (h.manifest.writes) |w| declared = declared or (path.covers(w, place) and !h.isWithheld(w));
    for (abi.PROTECTED) |p| declared = declared and !path.overlap(p, place);
    if (!declared or !editable) h.fail("capability", "{s} is not within writes", .{place});
    return declared and editable;
}

pub fn addEdit(h: *State, place: []const u8, json: ?[]const u8) void {
    for (h.edits.items) |*e| if (path.covers(e.path, place) and path.covers(place, e.path)) {
        e.json = json;
        return;
    };
    h.edits.append(h.gpa, .{ .path = place, .json = json }) catch @panic("no memory");
}

// ---- detectors and tables ----

/// The name of a capability that may be used, of a kind.
pub fn capability(h: *State, id: i32, kind: []const u8) ?[]const u8 {
    if (id < 0 or id >= h.manifest.capabilities.len or !mem.startsWith(u8, h.manifest.capabilities[@intCast(id)], kind)) {
        h.fail("capability", "capability {d} is not declared as one of the kind {s}", .{ id, kind });
        return null;
    }
    const name = h.manifest.capabilities[@intCast(id)];
    if (h.isGranted(name)) return name;
    h.fail("capability", "{s} is not granted", .{name});
    return null;
}

pub fn isGranted(h: *State, name: []const u8) bool {
    for (h.world.tables) |e| if (mem.eql(u8, e.capability, name)) return true;
    for (h.world.detectors) |e| if (mem.eql(u8, e.capability, name)) return true;
    return false;
}

/// What the detectors of a set find: what begins first, then what is longer, then the lower rule.
pub fn find(h: *State, set: []const u8, text: []const u8) ![]const u8 {
    var out: std.ArrayList(u8) = .empty;
    var at: usize = 0;
    while (at < text.len) {
        var best: usize = 0;
        var rule: usize = 0;
        var n: usize = 0;
        for (h.world.detectors) |d| if (mem.eql(u8, d.capability, set)) {
            if (d.value.len > best and mem.startsWith(u8, text[at..], d.value)) {
                best = d.value.len;
                rule = n;
            }
            n += 1;
        };
        if (best > 0) {
            const entry = try out.addManyAsSlice(h.gpa, abi.MATCH_BYTES);
            for ([_]usize{ at, at + best, rule }, 0..) |x, k| put(entry, 4 * k, x);
        }
        at += @max(best, 1);
    }
    return out.items;
}

// ---- what is said ----

/// A code, a key or a label.
pub fn word(h: *State, text: []const u8, most: usize, code: bool) bool {
    const ok = text.len <= most and manifest_zig.isWord(text) and !(code and !std.ascii.isLower(text[0]));
    if (!ok) h.fail("abi", "\"{s}\" is not spelled as a code or a key is", .{text});
    return ok;
}

/// A text for people: each byte that is not UTF-8 becomes U+FFFD, and what is too long is cut
/// after the last whole character.
pub fn keepText(h: *State, text: []const u8) []const u8 {
    var out: std.ArrayList(u8) = .empty;
    var at: usize = 0;
    while (at < text.len) {
        const n = @min(std.unicode.utf8ByteSequenceLength(text[at]) catch 1, text.len - at);
        const whole = std.unicode.utf8ValidateSlice(text[at..][0..n]);
        const next = if (whole) text[at..][0..n] else "\u{fffd}";
        if (out.items.len + next.len > abi.LIMIT_TEXT_BYTES) break;
        out.appendSlice(h.gpa, next) catch @panic("no memory");
        at += if (whole) n else 1;
    }
    return out.items;
}

/// Counts what is said, in all.
pub fn bound(h: *State, bytes: usize) void {
    h.said += bytes;
    if (h.said > abi.LIMIT_SAID_BYTES) h.fail("abi", "more than {d} bytes of texts", .{abi.LIMIT_SAID_BYTES});
}

// ---- the end ----

/// Refuses a verdict that the plugin may not give.
pub fn accept(h: *State, number: i32) void {
    if (h.failed) return;
    const verdict = std.enums.fromInt(Verdict, number) orelse return h.fail("abi", "there is no verdict {d}", .{number});
    const name = @tagName(verdict);
    if (verdict != .pass and verdict != .abstain) {
        for (h.manifest.verdicts) |v| {
            if (mem.eql(u8, @tagName(v), name)) break;
        } else return h.fail("capability", "the verdict {s} is not declared", .{name});
        if (h.isWithheld(name)) return h.fail("capability", "the verdict {s} is not granted", .{name});
    }
    const edited = h.edits.items.len + h.dropped.items.len > 0;
    if (edited and verdict != .mutate and verdict != .deny) return h.fail("abi", "edits with the verdict {s}", .{name});
    if (verdict == .mutate) h.checkEdits();
    h.out.verdict = if (verdict == .mutate and !edited) .pass else verdict;
}

/// Refuses edits of which one is inside the place of another.
fn checkEdits(h: *State) void {
    for (h.edits.items, 0..) |a, i| {
        for (h.edits.items[0..i]) |b| {
            const same = path.covers(a.path, b.path) and path.covers(b.path, a.path);
            if (!same and path.overlap(a.path, b.path)) return h.fail("abi", "{s} and {s} are edited, and one is inside the other", .{ b.path, a.path });
        }
        for (h.dropped.items) |item| {
            var buf: [32]u8 = undefined;
            const dropped = std.fmt.bufPrint(&buf, "items[{d}]", .{item}) catch unreachable;
            if (path.covers(dropped, a.path)) return h.fail("abi", "{s} is edited, and its item dropped", .{a.path});
        }
    }
}

/// What the call came to.
pub fn outcome(h: *State) !testing.Outcome {
    if (!h.failed and h.out.verdict == .mutate) try h.apply();
    var out: testing.Outcome = if (h.failed) .{ .failure = h.out.failure, .why = h.out.why, .code = "plugin_failed" } else h.out;
    out.after = try h.at.json(h.gpa, h.hook.?);
    out.notes = h.notes.items;
    out.logs = h.logs.items;
    if (!h.failed) out.labels = h.labels.items;
    if (out.verdict != .deny) {
        out.code = "";
        out.text = "";
    } else if (out.code.len == 0) out.code = "denied_by_plugin";
    if (out.verdict != .approve) out.approval = "";
    out.line = if (out.failure) |f|
        try h.print("failed {s}: {s}", .{ f, out.why })
    else switch (out.verdict) {
        .deny => try h.print("deny {s}{s}{s}", .{ out.code, if (out.text.len > 0) ": " else "", out.text }),
        .approve => try h.print("approve: {s}", .{out.approval}),
        else => @tagName(out.verdict),
    };
    return out;
}

fn apply(h: *State) !void {
    h.out.edits = try h.gpa.dupe(testing.Edit, h.edits.items);
    for (h.edits.items) |e| if (!try h.at.apply(h.gpa, e.path, e.json, .set)) h.fail("abi", "the edit of {s} doesn't fit", .{e.path});
    // From the end, so that the indexes of the message hold.
    mem.sort(testing.Edit, h.edits.items, {}, lastFirst);
    for (h.edits.items) |e| _ = try h.at.apply(h.gpa, e.path, e.json, .remove);
    h.at.drop(h.dropped.items);
}

fn lastFirst(_: void, a: testing.Edit, b: testing.Edit) bool {
    if (a.path.len != b.path.len) return a.path.len > b.path.len;
    return mem.order(u8, a.path, b.path) == .gt;
}

/// What the plugin said when it refused to boot, or how it failed.
pub fn refusal(h: *State) ![]const u8 {
    if (h.failed) return h.print("failed {s}: {s}", .{ h.out.failure.?, h.out.why });
    for (h.notes.items) |n| if (mem.eql(u8, n[0], "path")) return h.print("{s}: {s}: {s}", .{ n[1], h.out.code, h.out.text });
    return h.print("{s}: {s}", .{ h.out.code, h.out.text });
}

test "texts for people are UTF-8, and are cut between characters" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    var h: State = .{ .gpa = arena.allocator(), .world = .{}, .manifest = .{ .name = "a", .version = "1.0.0" } };
    const long: [abi.LIMIT_TEXT_BYTES - 1]u8 = @splat('x');
    for ([_][2][]const u8{
        .{ "caf\u{e9}", "caf\u{e9}" },
        .{ "a\xe2\x82", "a\u{fffd}\u{fffd}" },
        .{ "\xed\xa0\x80b", "\u{fffd}\u{fffd}\u{fffd}b" },
        .{ long ++ "xy", long ++ "x" },
        .{ long ++ "\u{e9}", &long },
        .{ long ++ "\xff", &long },
    }) |case| try std.testing.expectEqualStrings(case[1], h.keepText(case[0]));
}

test "all that is said is bounded" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    var h: State = .{ .gpa = arena.allocator(), .world = .{}, .manifest = .{ .name = "a", .version = "1.0.0" } };
    current = &h;
    defer current = null;
    const long: [abi.LIMIT_TEXT_BYTES]u8 = @splat('x');
    for (0..abi.LIMIT_SAID_BYTES / (long.len + 1)) |_| testing.host.note("k", 1, &long, long.len);
    try std.testing.expect(!h.failed);
    testing.host.note("k", 1, &long, long.len);
    try std.testing.expectEqualStrings("abi", h.out.failure.?);
}
