//! Messages as trees of JSON, for the tests' host.

const std = @import("std");
const abi = @import("../abi.zig");
const path = @import("../path.zig");
const manifest = @import("../manifest.zig");

const mem = std.mem;
const Allocator = mem.Allocator;
const Value = std.json.Value;

/// The parts of a message that have places.
pub const Message = struct {
    params: Value = .null,
    result: ?Value = null,
    items: ?Value = null,
    tool: []const u8 = "",
    answers_tool: bool = false,

    pub fn parse(gpa: Allocator, method: []const u8, tool: []const u8, args: ?[]const u8, params: ?[]const u8, result: ?[]const u8, items: ?[]const u8) !Message {
        var m: Message = .{ .answers_tool = mem.eql(u8, method, "tools/call") };
        if (params) |p| {
            m.params = try parseJson(gpa, p);
        } else {
            m.params = .{ .object = .empty };
            if (tool.len > 0) try m.params.object.put(gpa, "name", .{ .string = tool });
        }
        if (args) |a| try m.params.object.put(gpa, "arguments", try parseJson(gpa, a));
        if (result) |r| m.result = try parseJson(gpa, r);
        if (items) |i| m.items = try parseJson(gpa, i);
        if (m.answers_tool) if (m.params.object.get("name")) |n| {
            m.tool = n.string;
        };
        return m;
    }

    /// The value of a name, if it is one of a place in the message.
    pub fn base(m: *const Message, name: []const u8) ?Value {
        if (mem.eql(u8, name, "params")) return m.params;
        if (mem.eql(u8, name, "args")) return m.params.object.get("arguments") orelse .{ .object = .empty };
        if (mem.eql(u8, name, "mcp.result")) return m.result;
        if (mem.eql(u8, name, "mcp.tool.result")) return if (m.answers_tool) m.result else null;
        if (mem.eql(u8, name, "items")) return m.items;
        return null;
    }

    fn root(m: *Message, name: []const u8) ?*Value {
        if (mem.eql(u8, name, "params")) return &m.params;
        if (mem.eql(u8, name, "args")) return m.params.object.getPtr("arguments");
        if (mem.startsWith(u8, name, "mcp.")) return if (m.result) |*r| r else null;
        return if (m.items) |*i| i else null;
    }

    pub fn count(m: *const Message) usize {
        return if (m.items) |i| i.array.items.len else 0;
    }

    /// What patch returns for a place.
    pub fn canEdit(m: *Message, place: []const u8, remove: bool) i32 {
        var it = path.segments(place);
        const name = path.nameOf(place).?.name;
        const args = mem.eql(u8, name, "args");
        var at = m.root(name);
        var last = (it.next() catch unreachable) orelse return if (remove and !args) abi.CODE_WRONG_TYPE else if (at == null and !args) abi.CODE_ABSENT else abi.CODE_OK;
        while (it.next() catch unreachable) |s| : (last = s) at = child(at orelse return abi.CODE_ABSENT, last);
        const around = at orelse return abi.CODE_ABSENT;
        if (last == .key and around.* != .object or last == .index and around.* != .array) return abi.CODE_WRONG_TYPE;
        if (remove or last == .index) return if (child(around, last) == null) abi.CODE_ABSENT else abi.CODE_OK;
        return abi.CODE_OK;
    }

    /// Makes an edit that is of the kind at hand.
    pub fn apply(m: *Message, gpa: Allocator, place: []const u8, text: ?[]const u8, kind_at_hand: enum { set, remove }) !bool {
        if ((text == null) != (kind_at_hand == .remove)) return true;
        var it = path.segments(place);
        const name = path.nameOf(place).?.name;
        var at = m.root(name);
        var last = (it.next() catch unreachable) orelse {
            if (mem.eql(u8, name, "args")) {
                if (text) |t| try m.params.object.put(gpa, "arguments", try parseJson(gpa, t)) else _ = m.params.object.orderedRemove("arguments");
                return true;
            }
            (at orelse return false).* = try parseJson(gpa, text orelse return false);
            return true;
        };
        while (it.next() catch unreachable) |s| : (last = s) at = child(at orelse return false, last);
        const around = at orelse return false;
        const memory = try gpa.alloc(u8, place.len);
        switch (last) {
            .key => |k| {
                const key = path.unescape(memory, k);
                if (text) |t| try around.object.put(gpa, key, try parseJson(gpa, t)) else _ = around.object.orderedRemove(key);
            },
            .index => |digits| {
                const i = std.fmt.parseInt(usize, digits, 10) catch unreachable;
                if (text) |t| around.array.items[i] = try parseJson(gpa, t) else _ = around.array.orderedRemove(i);
            },
            .star => unreachable,
        }
        return true;
    }

    pub fn drop(m: *Message, indexes: []const usize) void {
        var i = m.count();
        while (i > 0) {
            i -= 1;
            if (mem.findScalar(usize, indexes, i) != null) _ = m.items.?.array.orderedRemove(i);
        }
    }

    /// What the hook judges, as JSON.
    pub fn json(m: *const Message, gpa: Allocator, hook: manifest.Hook) ![]const u8 {
        return jsonOf(gpa, switch (hook) {
            .request => m.params,
            .response => m.result orelse m.params,
            .list => m.items orelse .null,
        });
    }
};

const parseJson = parse;
const jsonOf = json;

/// Reads JSON, its numbers as they are written.
pub fn parse(gpa: Allocator, text: []const u8) !Value {
    return std.json.parseFromSliceLeaky(Value, gpa, text, .{ .parse_numbers = false });
}

pub fn json(gpa: Allocator, v: Value) ![]const u8 {
    return std.json.Stringify.valueAlloc(gpa, v, .{});
}

/// The bytes of a value, as a host gives them.
pub fn bytes(gpa: Allocator, v: Value) ![]const u8 {
    return if (v == .string) v.string else json(gpa, v);
}

pub fn kind(v: Value) i32 {
    return switch (v) {
        .null => abi.KIND_NULL,
        .bool => |b| if (b) abi.KIND_TRUE else abi.KIND_FALSE,
        .integer, .float, .number_string => abi.KIND_NUMBER,
        .string => abi.KIND_STRING,
        .array => abi.KIND_ARRAY,
        .object => abi.KIND_OBJECT,
    };
}

fn child(v: *Value, s: path.Segment) ?*Value {
    var memory: [abi.LIMIT_PATH_BYTES]u8 = undefined;
    return switch (s) {
        .key => |k| if (v.* == .object) v.object.getPtr(path.unescape(&memory, k)) else null,
        .index => |digits| blk: {
            if (v.* != .array) break :blk null;
            const i = std.fmt.parseInt(usize, digits, 10) catch break :blk null;
            break :blk if (i < v.array.items.len) &v.array.items[i] else null;
        },
        .star => null,
    };
}

/// The value below another.
pub fn walk(from: Value, segments: path.Segments) ?Value {
    var it = segments;
    var v = from;
    while (it.next() catch return null) |s| v = (child(&v, s) orelse return null).*;
    return v;
}

/// A string of the message, its field path, and the index of the declared path that it is below.
pub const String = struct { path: []const u8, text: []const u8, declared: usize };

/// The strings at declared paths, in the order that a host gives them.
pub fn strings(gpa: Allocator, m: *const Message, declared: []const []const u8) ![]String {
    var out: std.ArrayList(String) = .empty;
    for (declared, 0..) |d, i| {
        const name = path.nameOf(d).?.name;
        if (m.base(name)) |v| try collect(gpa, &out, v, name, path.segments(d), i);
    }
    return out.items;
}

fn collect(gpa: Allocator, out: *std.ArrayList(String), v: Value, at: []const u8, segments: path.Segments, declared: usize) !void {
    var it = segments;
    const s = it.next() catch unreachable;
    if (s != null and s.? == .key) return if (walk(v, .{ .rest = segments.rest[0 .. segments.rest.len - it.rest.len] })) |next|
        collect(gpa, out, next, try mem.concat(gpa, u8, &.{ at, segments.rest[0 .. segments.rest.len - it.rest.len] }), it, declared);
    if (v == .array) for (v.array.items, 0..) |e, i| {
        if (s != null and s.? == .index and i != std.fmt.parseInt(usize, s.?.index, 10) catch unreachable) continue;
        try collect(gpa, out, e, try std.fmt.allocPrint(gpa, "{s}[{d}]", .{ at, i }), it, declared);
    };
    if (s != null) return;
    if (v == .string) try out.append(gpa, .{ .path = at, .text = v.string, .declared = declared });
    if (v == .object) for (v.object.keys(), v.object.values()) |k, e| try collect(gpa, out, e, try segment(gpa, at, k), it, declared);
}

/// A path with a member's key after it.
fn segment(gpa: Allocator, at: []const u8, key: []const u8) ![]const u8 {
    const dotted = try mem.concat(gpa, u8, &.{ at, ".", key });
    var it: path.Segments = .{ .rest = dotted[at.len..] };
    const plain = it.next() catch null;
    if (plain != null and it.rest.len == 0) return dotted;
    return mem.concat(gpa, u8, &.{ at, "[", try json(gpa, .{ .string = key }), "]" });
}
