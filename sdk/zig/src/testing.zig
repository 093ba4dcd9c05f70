//! A host for tests on the machine at hand: it shows a plugin a message and says what came of it.
//!
//!     test "a path is needed" {
//!         var host: sallyport.testing.Host = .init(std.testing.allocator, plugin, functions, .{});
//!         defer host.deinit();
//!         const got = try host.request(.{ .tool = "read_file", .args = "{}" });
//!         try std.testing.expectEqualStrings("deny no_path: A path is needed.", got.line);
//!     }
//!
//! It enforces the manifest as a gateway does. Two things it can't do: undo what a hook writes to
//! the plugin's own variables, and stop a plugin in the middle, so after a failure the rest of the
//! hook runs, sees a host that has nothing, and what it does is forgotten.

const std = @import("std");
const abi = @import("abi.zig");
const path = @import("path.zig");
const tree = @import("tree.zig");
const manifest = @import("manifest.zig");
const Functions = @import("plugin.zig").Functions;

const mem = std.mem;
const Value = std.json.Value;

pub const Verdict = enum(i32) {
    pass = abi.VERDICT_PASS,
    deny = abi.VERDICT_DENY,
    mutate = abi.VERDICT_MUTATE,
    approve = abi.VERDICT_APPROVE,
    abstain = abi.VERDICT_ABSTAIN,
};

/// What the host has, and what it grants.
pub const Options = struct {
    /// Entries of tables: the capability, a key, a value as JSON. Giving one grants the table.
    tables: []const Entry = &.{},
    /// Texts that sets of detectors find: the capability, the rule's name, the text. Giving one
    /// grants the set; rules are numbered in this order.
    detectors: []const Entry = &.{},
    /// Reads, writes and verdicts that the manifest asks for and the operator doesn't grant.
    withheld: []const []const u8 = &.{},
    /// Features that the host lacks, by number.
    lacks: []const i32 = &.{},

    pub const Entry = struct { capability: []const u8, name: []const u8, value: []const u8 };
};

/// A message that a plugin is shown.
pub const Message = struct {
    method: []const u8 = "tools/call",
    server: []const u8 = "files",
    /// The tool that is called, and its arguments as JSON.
    tool: []const u8 = "",
    args: ?[]const u8 = null,
    /// JSON-RPC params, in the place of tool and args.
    params: ?[]const u8 = null,
    /// For the hooks response and list.
    result: ?[]const u8 = null,
    items: ?[]const u8 = null,
    /// Other names of field paths, such as .{ "principal.groups", "[\"dev\"]" }, as JSON.
    with: []const [2][]const u8 = &.{},
    now_ms: i64 = 0,
};

/// An edit of a plugin: JSON, or null for what was taken out.
pub const Edit = struct { path: []const u8, json: ?[]const u8 };

/// What came of a call. Texts are good until the host's `deinit`.
pub const Outcome = struct {
    /// deny if the call failed
    verdict: Verdict = .deny,
    /// the type of the failure, such as "capability", and what it was
    failure: ?[]const u8 = null,
    why: []const u8 = "",
    /// the reason
    code: []const u8 = "",
    text: []const u8 = "",
    /// what a human is asked
    approval: []const u8 = "",
    edits: []const Edit = &.{},
    /// params of a request, the result, or the items, as edited
    after: []const u8 = "",
    notes: []const [2][]const u8 = &.{},
    labels: []const []const u8 = &.{},
    logs: []const []const u8 = &.{},
    /// All of the verdict in a line: "pass", "deny CODE: TEXT", "approve: TEXT", "failed TYPE: WHY".
    line: []const u8 = "",

    /// What was noted for a key.
    pub fn note(o: Outcome, key: []const u8) ?[]const u8 {
        for (o.notes) |n| if (mem.eql(u8, n[0], key)) return n[1];
        return null;
    }
};

const Hooks = struct { request: ?Hook = null, response: ?Hook = null, list: ?Hook = null };
const Hook = *const fn () callconv(.c) i32;
const Take = *const fn ([*]u8, usize) callconv(.c) i32;

/// The host that the plugin is in while it is called.
threadlocal var current: ?*Host = null;

/// A gateway with one plugin.
pub const Host = struct {
    arena: std.heap.ArenaAllocator,
    options: Options,
    m: manifest.Manifest,
    hooks: Hooks = .{},
    alloc: ?*const fn (usize) callconv(.c) ?[*]u8 = null,
    steps: [2]?Take = .{ null, null },
    selftest: ?Hook = null,

    hook: ?manifest.Hook = null,
    message: Message = .{},
    at: tree.Message = .{},
    strings: []tree.String = &.{},
    failed: bool = false,
    out: Outcome = .{},
    edits: std.ArrayList(Edit) = .empty,
    dropped: std.ArrayList(usize) = .empty,
    notes: std.ArrayList([2][]const u8) = .empty,
    labels: std.ArrayList([]const u8) = .empty,
    logs: std.ArrayList([]const u8) = .empty,

    /// A host for a plugin and the functions that it serves.
    pub fn init(gpa: mem.Allocator, comptime P: type, comptime functions: anytype, options: Options) Host {
        const Served = Functions(P, functions);
        _ = Served.hooks;
        const F = @TypeOf(functions);
        var h: Host = .{ .arena = .init(gpa), .options = options, .m = P.manifest };
        inline for (.{ "request", "response", "list" }) |hook| {
            if (@hasField(F, hook)) @field(h.hooks, hook) = &@field(Served, hook);
        }
        if (Served.takes_settings) h.alloc = &Served.alloc;
        if (@hasField(F, "validate")) h.steps[0] = &Served.validate;
        if (@hasField(F, "configure")) h.steps[1] = &Served.configure;
        if (@hasField(F, "selftest")) h.selftest = &Served.selftest;
        return h;
    }

    pub fn deinit(h: *Host) void {
        h.arena.deinit();
    }

    /// Boots the plugin with settings, as JSON without white space. Null is done; otherwise it is
    /// what the plugin refused them with, "CODE: TEXT" with the place before it if it said one, or
    /// the failure.
    pub fn boot(h: *Host, settings: []const u8) !?[]const u8 {
        h.begin(null, .{});
        defer current = null;
        if (h.alloc) |alloc| {
            const at = alloc(settings.len) orelse return "sp_alloc has no memory for the settings";
            @memcpy(at, settings);
            for (h.steps) |step| if (step) |take| if (take(at, settings.len) != 0 or h.failed) return try h.refusal();
        }
        if (h.selftest) |f| if (f() != 0 or h.failed) return try h.refusal();
        return null;
    }

    fn refusal(h: *Host) ![]const u8 {
        if (h.failed) return h.print("failed {s}: {s}", .{ h.out.failure.?, h.out.why });
        for (h.notes.items) |n| if (mem.eql(u8, n[0], "path")) return h.print("{s}: {s}: {s}", .{ n[1], h.out.code, h.out.text });
        return h.print("{s}: {s}", .{ h.out.code, h.out.text });
    }

    pub fn request(h: *Host, message: Message) !Outcome {
        return h.call(.request, message, h.hooks.request);
    }
    pub fn response(h: *Host, message: Message) !Outcome {
        return h.call(.response, message, h.hooks.response);
    }
    pub fn list(h: *Host, message: Message) !Outcome {
        return h.call(.list, message, h.hooks.list);
    }

    fn begin(h: *Host, hook: ?manifest.Hook, message: Message) void {
        h.hook = hook;
        h.message = message;
        h.failed = false;
        h.out = .{};
        inline for (.{ "edits", "dropped", "notes", "labels", "logs" }) |name| @field(h, name) = .empty;
        current = h;
    }

    fn call(h: *Host, hook: manifest.Hook, message: Message, function: ?Hook) !Outcome {
        h.begin(hook, message);
        defer current = null;
        h.at = try .parse(h.arena.allocator(), message.method, message.tool, message.args, message.params, message.result, message.items);
        h.strings = try tree.strings(h.arena.allocator(), &h.at, switch (hook) {
            .request => h.m.strings.request,
            .response => h.m.strings.response,
            .list => h.m.strings.list,
        });
        if (function) |f| {
            const verdict = f();
            if (!h.failed) h.accept(verdict);
        } else h.fail("abi", "the plugin has no such hook", .{});
        const edited = !h.failed and h.out.verdict == .mutate;
        if (edited) {
            h.out.edits = h.edits.items;
            for (h.edits.items) |e| if (!try h.at.apply(h.arena.allocator(), e.path, e.json, .set)) h.fail("abi", "the edit of {s} doesn't fit", .{e.path});
            mem.sort(Edit, h.edits.items, {}, lastFirst);
            for (h.edits.items) |e| _ = try h.at.apply(h.arena.allocator(), e.path, e.json, .remove);
            h.at.drop(h.dropped.items);
        }
        h.out.after = try h.at.json(h.arena.allocator(), hook);
        h.out.notes = h.notes.items;
        h.out.logs = h.logs.items;
        if (!h.failed) h.out.labels = h.labels.items;
        return h.finish();
    }

    fn lastFirst(_: void, a: Edit, b: Edit) bool {
        if (a.path.len != b.path.len) return a.path.len > b.path.len;
        return mem.order(u8, a.path, b.path) == .gt;
    }

    /// Refuses a verdict that the plugin may not give.
    fn accept(h: *Host, number: i32) void {
        const verdict = std.enums.fromInt(Verdict, number) orelse return h.fail("abi", "there is no verdict {d}", .{number});
        const name = @tagName(verdict);
        if (verdict != .pass and verdict != .abstain) {
            for (h.m.verdicts) |v| {
                if (mem.eql(u8, @tagName(v), name)) break;
            } else return h.fail("capability", "the verdict {s} is not declared", .{name});
            if (h.isWithheld(name)) return h.fail("capability", "the verdict {s} is not granted", .{name});
        }
        const edited = h.edits.items.len + h.dropped.items.len > 0;
        if (edited and verdict != .mutate and verdict != .deny) return h.fail("abi", "edits with the verdict {s}", .{name});
        for (h.edits.items, 0..) |a, i| for (h.edits.items[0..i]) |b| {
            const same = path.covers(a.path, b.path) and path.covers(b.path, a.path);
            if (!same and path.overlap(a.path, b.path)) return h.fail("abi", "{s} and {s} are edited, and one is inside the other", .{ b.path, a.path });
        };
        h.out.verdict = if (verdict == .mutate and !edited) .pass else verdict;
    }

    fn finish(h: *Host) !Outcome {
        var out = h.out;
        if (h.failed) out = .{ .failure = out.failure, .why = out.why, .code = "plugin_failed", .notes = out.notes, .logs = out.logs, .after = out.after };
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

    fn print(h: *Host, comptime format: []const u8, args: anytype) error{OutOfMemory}![]const u8 {
        return std.fmt.allocPrint(h.arena.allocator(), format, args);
    }

    /// Notes a failure. What happened first holds.
    fn fail(h: *Host, kind: []const u8, comptime format: []const u8, args: anytype) void {
        if (h.failed) return;
        h.failed = true;
        h.out.failure = kind;
        h.out.why = h.print(format, args) catch "no memory";
    }

    fn keep(h: *Host, bytes: []const u8) []const u8 {
        return h.arena.allocator().dupe(u8, bytes) catch @panic("no memory");
    }

    fn isWithheld(h: *Host, what: []const u8) bool {
        for (h.options.withheld) |w| if (mem.eql(u8, w, what)) return true;
        return false;
    }

    fn reads(h: *Host) []const []const u8 {
        return switch (h.hook.?) {
            .request => h.m.reads.request,
            .response => h.m.reads.response,
            .list => h.m.reads.list,
        };
    }

    /// The path of a read, null if it may not be read.
    fn field(h: *Host, id: i32) ?[]const u8 {
        const all = h.reads();
        if (id < 0 or id >= all.len) {
            h.fail("capability", "field {d} is not declared", .{id});
            return null;
        }
        const p = all[@intCast(id)];
        if (!h.isWithheld(p)) return p;
        h.fail("capability", "{s} is not granted", .{p});
        return null;
    }

    fn fieldValue(h: *Host, id: i32) ?Value {
        const p = h.field(id) orelse return null;
        if (mem.startsWith(u8, p, "items[*]")) return null;
        return h.lookup(p);
    }

    fn lookup(h: *Host, p: []const u8) ?Value {
        const name = path.nameOf(p).?;
        if (h.at.base(name.name)) |v| return tree.walk(v, path.segments(p));
        const m = h.message;
        if (mem.eql(u8, name.name, "mcp.method")) return .{ .string = m.method };
        if (mem.eql(u8, name.name, "mcp.tool.name")) return if (h.at.tool.len > 0) .{ .string = h.at.tool } else null;
        if (mem.eql(u8, name.name, "mcp.tool.target")) return if (h.at.tool.len > 0) .{ .string = m.server } else null;
        if (mem.eql(u8, name.name, "request.mcp.backend")) return .{ .string = m.server };
        for (m.with) |w| if (mem.eql(u8, w[0], name.name)) {
            const v = tree.parse(h.arena.allocator(), w[1]) catch @panic("the test gives what is not JSON");
            return tree.walk(v, path.segments(p));
        };
        return null;
    }

    fn mayEdit(h: *Host, place: []const u8) bool {
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
        for (h.m.writes) |w| declared = declared or (path.covers(w, place) and !h.isWithheld(w));
        for (abi.PROTECTED) |p| declared = declared and !path.overlap(p, place);
        if (!declared or !editable) h.fail("capability", "{s} is not within writes", .{place});
        return declared and editable;
    }

    fn addEdit(h: *Host, place: []const u8, json: ?[]const u8) void {
        for (h.edits.items) |*e| if (path.covers(e.path, place) and path.covers(place, e.path)) {
            e.json = json;
            return;
        };
        h.edits.append(h.arena.allocator(), .{ .path = place, .json = json }) catch @panic("no memory");
    }

    /// The name of a capability that may be used, of a kind.
    fn capability(h: *Host, id: i32, kind: []const u8) ?[]const u8 {
        if (id < 0 or id >= h.m.capabilities.len or !mem.startsWith(u8, h.m.capabilities[@intCast(id)], kind)) {
            h.fail("capability", "capability {d} is not declared as one of the kind {s}", .{ id, kind });
            return null;
        }
        const name = h.m.capabilities[@intCast(id)];
        if (h.isGranted(name)) return name;
        h.fail("capability", "{s} is not granted", .{name});
        return null;
    }

    fn isGranted(h: *Host, name: []const u8) bool {
        for (h.options.tables) |e| if (mem.eql(u8, e.capability, name)) return true;
        for (h.options.detectors) |e| if (mem.eql(u8, e.capability, name)) return true;
        return false;
    }

    fn give(h: *Host, v: ?Value, buf: [*]u8, cap: usize) i32 {
        return giveBytes(tree.bytes(h.arena.allocator(), v orelse return abi.CODE_ABSENT) catch @panic("no memory"), buf, cap);
    }

    /// Lays out all fields or all strings.
    fn viewInto(h: *Host, what: i32, buf: []u8) !i32 {
        const Entry = struct { kind: i32, bytes: []const u8, path: usize };
        const gpa = h.arena.allocator();
        var all: std.ArrayList(Entry) = .empty;
        if (what == abi.VIEW_FIELDS) {
            for (h.reads(), 0..) |_, i| {
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

    /// What the detectors of a set find: what begins first, then what is longer, then the lower rule.
    fn find(h: *Host, set: []const u8, text: []const u8) ![]const u8 {
        var out: std.ArrayList(u8) = .empty;
        var at: usize = 0;
        while (at < text.len) {
            var best: usize = 0;
            var rule: usize = 0;
            var n: usize = 0;
            for (h.options.detectors) |d| if (mem.eql(u8, d.capability, set)) {
                if (d.value.len > best and mem.startsWith(u8, text[at..], d.value)) {
                    best = d.value.len;
                    rule = n;
                }
                n += 1;
            };
            if (best > 0) {
                const entry = try out.addManyAsSlice(h.arena.allocator(), abi.MATCH_BYTES);
                for ([_]usize{ at, at + best, rule }, 0..) |x, k| put(entry, 4 * k, x);
            }
            at += @max(best, 1);
        }
        return out.items;
    }

    /// A code, a key or a label.
    fn word(h: *Host, text: []const u8, most: usize, code: bool) bool {
        const ok = text.len <= most and manifest.isWord(text) and !(code and !std.ascii.isLower(text[0]));
        if (!ok) h.fail("abi", "\"{s}\" is not spelled as a code or a key is", .{text});
        return ok;
    }

    fn cut(h: *Host, text: []const u8) []const u8 {
        var n = @min(text.len, abi.LIMIT_TEXT_BYTES);
        while (n > 0 and n < text.len and text[n] & 0xc0 == 0x80) n -= 1;
        return h.keep(text[0..n]);
    }

    /// Whether a function may be called now.
    fn ready(h: *Host, name: []const u8, only_list: bool) bool {
        if (h.hook == null) h.fail("abi", "{s} is called before the first hook", .{name});
        if (h.hook != null and only_list and h.hook.? != .list) h.fail("abi", "{s} is called in another hook than list", .{name});
        return !h.failed;
    }
};

fn giveBytes(bytes: []const u8, buf: [*]u8, cap: usize) i32 {
    if (bytes.len <= cap) @memcpy(buf, bytes);
    return @intCast(bytes.len);
}

/// The functions of the host, as plugins call them. `fail` returns.
pub const host = struct {
    fn in() *Host {
        return current orelse @panic("a function of the host is called, and no test's host is calling the plugin");
    }

    pub fn field(id: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("field", false)) return abi.CODE_ABSENT;
        const p = h.field(id) orelse return abi.CODE_ABSENT;
        if (mem.startsWith(u8, p, "items[*]")) return abi.CODE_WRONG_TYPE;
        return h.give(h.lookup(p), buf, cap);
    }
    pub fn field_num(id: i32) f64 {
        const h = in();
        const none = std.math.nan(f64);
        if (!h.ready("field_num", false)) return none;
        const v = h.fieldValue(id) orelse return none;
        return if (v == .number_string) std.fmt.parseFloat(f64, v.number_string) catch none else none;
    }
    pub fn field_kind(id: i32) i32 {
        const h = in();
        if (!h.ready("field_kind", false)) return abi.KIND_ABSENT;
        return tree.kind(h.fieldValue(id) orelse return abi.KIND_ABSENT);
    }
    pub fn str_count() i32 {
        const h = in();
        return if (h.ready("str_count", false)) @intCast(h.strings.len) else 0;
    }
    fn string(h: *Host, index: i32) ?tree.String {
        return if (index >= 0 and index < h.strings.len) h.strings[@intCast(index)] else null;
    }
    pub fn str(index: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("str", false)) return abi.CODE_ABSENT;
        return giveBytes((string(h, index) orelse return abi.CODE_ABSENT).text, buf, cap);
    }
    pub fn str_path(index: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("str_path", false)) return abi.CODE_ABSENT;
        return giveBytes((string(h, index) orelse return abi.CODE_ABSENT).path, buf, cap);
    }
    pub fn str_replace(index: i32, text: [*]const u8, text_len: usize) i32 {
        const h = in();
        if (!h.ready("str_replace", false)) return abi.CODE_ABSENT;
        const s = string(h, index) orelse return abi.CODE_ABSENT;
        if (!std.unicode.utf8ValidateSlice(text[0..text_len])) {
            h.fail("abi", "the new text of string {d} is not UTF-8", .{index});
            return abi.CODE_ABSENT;
        }
        if (!h.mayEdit(s.path)) return abi.CODE_ABSENT;
        const json = tree.json(h.arena.allocator(), .{ .string = h.keep(text[0..text_len]) }) catch @panic("no memory");
        h.addEdit(s.path, json);
        return abi.CODE_OK;
    }
    pub fn view(what: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("view", false)) return abi.CODE_ABSENT;
        if (what != abi.VIEW_FIELDS and what != abi.VIEW_STRINGS) {
            h.fail("abi", "there is no view {d}", .{what});
            return abi.CODE_ABSENT;
        }
        return h.viewInto(what, buf[0..cap]) catch @panic("no memory");
    }
    pub fn patch(op: i32, at: [*]const u8, at_len: usize, json: [*]const u8, json_len: usize) i32 {
        const h = in();
        if (!h.ready("patch", false)) return abi.CODE_ABSENT;
        const place = h.keep(at[0..at_len]);
        if (op != abi.PATCH_SET and op != abi.PATCH_REMOVE or (op == abi.PATCH_REMOVE and json_len > 0)) {
            h.fail("abi", "patch: there is no such op, or a value where there may be none", .{});
            return abi.CODE_ABSENT;
        }
        const text = h.keep(json[0..json_len]);
        if (op == abi.PATCH_SET) _ = tree.parse(h.arena.allocator(), text) catch {
            h.fail("abi", "patch: the value for {s} is not JSON: {s}", .{ place, text });
            return abi.CODE_ABSENT;
        };
        if (!h.mayEdit(place)) return abi.CODE_ABSENT;
        const code = h.at.canEdit(place, op == abi.PATCH_REMOVE);
        if (code == abi.CODE_OK) h.addEdit(place, if (op == abi.PATCH_SET) text else null);
        return code;
    }
    pub fn item_count() i32 {
        const h = in();
        return if (h.ready("item_count", true)) @intCast(h.at.count()) else 0;
    }
    pub fn item(index: i32, id: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("item", true)) return abi.CODE_ABSENT;
        const p = h.field(id) orelse return abi.CODE_ABSENT;
        if (!mem.startsWith(u8, p, "items[*]")) return abi.CODE_WRONG_TYPE;
        if (index < 0 or index >= h.at.count()) return abi.CODE_ABSENT;
        const v = h.at.items.?.array.items[@intCast(index)];
        return h.give(tree.walk(v, .{ .rest = p["items[*]".len..] }), buf, cap);
    }
    pub fn item_drop(index: i32) i32 {
        const h = in();
        if (!h.ready("item_drop", true) or index < 0 or index >= h.at.count()) return abi.CODE_ABSENT;
        h.dropped.append(h.arena.allocator(), @intCast(index)) catch @panic("no memory");
        return abi.CODE_OK;
    }
    pub fn match(capability: i32, what: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("match", false)) return abi.CODE_ABSENT;
        const set = h.capability(capability, "match:") orelse return abi.CODE_ABSENT;
        const text = if (what < 0) (string(h, -1 - what) orelse return abi.CODE_ABSENT).text else blk: {
            const v = h.fieldValue(what) orelse return abi.CODE_ABSENT;
            if (v != .string) return abi.CODE_WRONG_TYPE;
            break :blk v.string;
        };
        return giveBytes(h.find(set, text) catch @panic("no memory"), buf, cap);
    }
    pub fn match_rule(capability: i32, rule: i32, buf: [*]u8, cap: usize) i32 {
        const h = in();
        const set = h.capability(capability, "match:") orelse return abi.CODE_ABSENT;
        var n: i32 = 0;
        for (h.options.detectors) |d| if (mem.eql(u8, d.capability, set)) {
            if (n == rule) return giveBytes(d.name, buf, cap);
            n += 1;
        };
        return abi.CODE_ABSENT;
    }
    pub fn lookup(capability: i32, key: [*]const u8, key_len: usize, buf: [*]u8, cap: usize) i32 {
        const h = in();
        if (!h.ready("lookup", false)) return abi.CODE_ABSENT;
        const table = h.capability(capability, "lookup:") orelse return abi.CODE_ABSENT;
        for (h.options.tables) |e| if (mem.eql(u8, e.capability, table) and mem.eql(u8, e.name, key[0..key_len]))
            return h.give(tree.parse(h.arena.allocator(), e.value) catch @panic("the test gives what is not JSON"), buf, cap);
        return abi.CODE_ABSENT;
    }
    pub fn reason(code: [*]const u8, code_len: usize, text: [*]const u8, text_len: usize) void {
        const h = in();
        if (h.failed or !h.word(code[0..code_len], abi.LIMIT_REASON_CODE_BYTES, true)) return;
        h.out.code = h.keep(code[0..code_len]);
        h.out.text = h.cut(text[0..text_len]);
    }
    pub fn approve(text: [*]const u8, text_len: usize) void {
        const h = in();
        if (h.ready("approve", false)) h.out.approval = h.cut(text[0..text_len]);
    }
    pub fn note(key: [*]const u8, key_len: usize, text: [*]const u8, text_len: usize) void {
        const h = in();
        if (h.failed or !h.word(key[0..key_len], abi.LIMIT_KEY_BYTES, false)) return;
        const entry: [2][]const u8 = .{ h.keep(key[0..key_len]), h.cut(text[0..text_len]) };
        for (h.notes.items) |*n| if (mem.eql(u8, n[0], entry[0])) {
            n.* = entry;
            return;
        };
        if (h.notes.items.len == abi.LIMIT_NOTES) return h.fail("abi", "more than {d} notes", .{abi.LIMIT_NOTES});
        h.notes.append(h.arena.allocator(), entry) catch @panic("no memory");
    }
    pub fn label(name: [*]const u8, name_len: usize) void {
        const h = in();
        if (!h.ready("label", false) or !h.word(name[0..name_len], abi.LIMIT_KEY_BYTES, false)) return;
        for (h.labels.items) |l| if (mem.eql(u8, l, name[0..name_len])) return;
        if (h.labels.items.len == abi.LIMIT_LABELS) return h.fail("abi", "more than {d} labels", .{abi.LIMIT_LABELS});
        h.labels.append(h.arena.allocator(), h.keep(name[0..name_len])) catch @panic("no memory");
    }
    pub fn now_ms() i64 {
        const h = in();
        if (!h.ready("now_ms", false)) return 0;
        if (h.m.deterministic) h.fail("capability", "now_ms in a plugin that says it is deterministic", .{});
        return h.message.now_ms;
    }
    pub fn feature(id: i32) i32 {
        if (mem.findScalar(i32, in().options.lacks, id) != null) return 0;
        return @intFromBool(id >= abi.FEATURE_STRINGS and id <= abi.FEATURE_LOOKUP);
    }
    pub fn granted(capability: i32) i32 {
        const h = in();
        if (capability < 0 or capability >= h.m.capabilities.len) return 0;
        return @intFromBool(h.isGranted(h.m.capabilities[@intCast(capability)]));
    }
    pub fn log(level: i32, text: [*]const u8, text_len: usize) void {
        const h = in();
        if (h.failed or h.logs.items.len == abi.LIMIT_LOG_LINES) return;
        const names = [_][]const u8{ "debug", "info", "warn", "error" };
        const name = if (level < abi.LEVEL_DEBUG or level > abi.LEVEL_ERROR) "error" else names[@intCast(level)];
        const line = h.print("{s}: {s}", .{ name, h.cut(text[0..text_len]) }) catch @panic("no memory");
        h.logs.append(h.arena.allocator(), line) catch @panic("no memory");
    }
    pub fn fail(text: [*]const u8, text_len: usize) void {
        const h = in();
        h.fail("trap", "{s}", .{h.cut(text[0..text_len])});
    }
};
