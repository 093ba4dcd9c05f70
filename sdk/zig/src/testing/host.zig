//! The functions of the host, as plugins call them in a test. `fail` returns.

const std = @import("std");
const abi = @import("../abi.zig");
const tree = @import("tree.zig");
const State = @import("State.zig");

const mem = std.mem;

fn in() *State {
    return State.current orelse @panic("a function of the host is called, and no test's host is calling the plugin");
}

pub fn field(id: i32, buf: [*]u8, cap: usize) i32 {
    const h = in();
    if (!h.ready("field", false)) return abi.CODE_ABSENT;
    const p = h.field(id) orelse return abi.CODE_ABSENT;
    if (mem.startsWith(u8, p, "items[*]")) return abi.CODE_WRONG_TYPE;
    return giveValue(h, h.lookup(p), buf, cap);
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

fn string(h: *State, index: i32) ?tree.String {
    return if (index >= 0 and index < h.strings.len) h.strings[@intCast(index)] else null;
}

pub fn str(index: i32, buf: [*]u8, cap: usize) i32 {
    const h = in();
    if (!h.ready("str", false)) return abi.CODE_ABSENT;
    return give((string(h, index) orelse return abi.CODE_ABSENT).text, buf, cap);
}

pub fn str_path(index: i32, buf: [*]u8, cap: usize) i32 {
    const h = in();
    if (!h.ready("str_path", false)) return abi.CODE_ABSENT;
    return give((string(h, index) orelse return abi.CODE_ABSENT).path, buf, cap);
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
    const json = tree.json(h.gpa, .{ .string = h.keep(text[0..text_len]) }) catch @panic("no memory");
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
    if (op == abi.PATCH_SET) _ = tree.parse(h.gpa, text) catch {
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
    return giveValue(h, tree.walk(v, .{ .rest = p["items[*]".len..] }), buf, cap);
}

pub fn item_drop(index: i32) i32 {
    const h = in();
    if (!h.ready("item_drop", true) or index < 0 or index >= h.at.count()) return abi.CODE_ABSENT;
    h.dropped.append(h.gpa, @intCast(index)) catch @panic("no memory");
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
    return give(h.find(set, text) catch @panic("no memory"), buf, cap);
}

pub fn match_rule(capability: i32, rule: i32, buf: [*]u8, cap: usize) i32 {
    const h = in();
    const set = h.capability(capability, "match:") orelse return abi.CODE_ABSENT;
    var n: i32 = 0;
    for (h.world.detectors) |d| if (mem.eql(u8, d.capability, set)) {
        if (n == rule) return give(d.name, buf, cap);
        n += 1;
    };
    return abi.CODE_ABSENT;
}

pub fn lookup(capability: i32, key: [*]const u8, key_len: usize, buf: [*]u8, cap: usize) i32 {
    const h = in();
    if (!h.ready("lookup", false)) return abi.CODE_ABSENT;
    const table = h.capability(capability, "lookup:") orelse return abi.CODE_ABSENT;
    for (h.world.tables) |e| if (mem.eql(u8, e.capability, table) and mem.eql(u8, e.name, key[0..key_len]))
        return giveValue(h, tree.parse(h.gpa, e.value) catch @panic("the test gives what is not JSON"), buf, cap);
    return abi.CODE_ABSENT;
}

pub fn reason(code: [*]const u8, code_len: usize, text: [*]const u8, text_len: usize) void {
    const h = in();
    if (h.failed or !h.word(code[0..code_len], abi.LIMIT_REASON_CODE_BYTES, true)) return;
    h.out.code = h.keep(code[0..code_len]);
    h.out.text = h.keepText(text[0..text_len]);
    h.bound(code_len + h.out.text.len);
}

pub fn approve(text: [*]const u8, text_len: usize) void {
    const h = in();
    if (!h.ready("approve", false)) return;
    h.out.approval = h.keepText(text[0..text_len]);
    h.bound(h.out.approval.len);
}

pub fn note(key: [*]const u8, key_len: usize, text: [*]const u8, text_len: usize) void {
    const h = in();
    if (h.failed or !h.word(key[0..key_len], abi.LIMIT_KEY_BYTES, false)) return;
    const entry: [2][]const u8 = .{ h.keep(key[0..key_len]), h.keepText(text[0..text_len]) };
    h.bound(key_len + entry[1].len);
    for (h.notes.items) |*n| if (mem.eql(u8, n[0], entry[0])) {
        n.* = entry;
        return;
    };
    if (h.notes.items.len == abi.LIMIT_NOTES) return h.fail("abi", "more than {d} notes", .{abi.LIMIT_NOTES});
    h.notes.append(h.gpa, entry) catch @panic("no memory");
}

pub fn label(name: [*]const u8, name_len: usize) void {
    const h = in();
    if (!h.ready("label", false) or !h.word(name[0..name_len], abi.LIMIT_KEY_BYTES, false)) return;
    for (h.labels.items) |l| if (mem.eql(u8, l, name[0..name_len])) return;
    if (h.labels.items.len == abi.LIMIT_LABELS) return h.fail("abi", "more than {d} labels", .{abi.LIMIT_LABELS});
    h.labels.append(h.gpa, h.keep(name[0..name_len])) catch @panic("no memory");
}

pub fn now_ms() i64 {
    const h = in();
    if (!h.ready("now_ms", false)) return 0;
    if (h.manifest.deterministic) h.fail("capability", "now_ms in a plugin that says it is deterministic", .{});
    return h.message.now_ms;
}

pub fn feature(id: i32) i32 {
    if (mem.findScalar(i32, in().world.lacks, id) != null) return 0;
    return @intFromBool(id >= abi.FEATURE_STRINGS and id <= abi.FEATURE_LOOKUP);
}

pub fn granted(capability: i32) i32 {
    const h = in();
    if (capability < 0 or capability >= h.manifest.capabilities.len) return 0;
    return @intFromBool(h.isGranted(h.manifest.capabilities[@intCast(capability)]));
}

pub fn log(level: i32, text: [*]const u8, text_len: usize) void {
    const h = in();
    if (h.failed or h.logs.items.len == abi.LIMIT_LOG_LINES) return;
    const names = [_][]const u8{ "debug", "info", "warn", "error" };
    const name = if (level < abi.LEVEL_DEBUG or level > abi.LEVEL_ERROR) "error" else names[@intCast(level)];
    const line = h.print("{s}: {s}", .{ name, h.keepText(text[0..text_len]) }) catch @panic("no memory");
    h.logs.append(h.gpa, line) catch @panic("no memory");
}

pub fn fail(text: [*]const u8, text_len: usize) void {
    const h = in();
    h.fail("trap", "{s}", .{h.keepText(text[0..text_len])});
}

fn give(bytes: []const u8, buf: [*]u8, cap: usize) i32 {
    if (bytes.len <= cap) @memcpy(buf, bytes);
    return @intCast(bytes.len);
}

fn giveValue(h: *State, v: ?std.json.Value, buf: [*]u8, cap: usize) i32 {
    return give(tree.bytes(h.gpa, v orelse return abi.CODE_ABSENT) catch @panic("no memory"), buf, cap);
}
