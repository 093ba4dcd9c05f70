//! The plugin of hostapi/tck in Zig: what its README says a guest must do.

const std = @import("std");
const sallyport = @import("sallyport");

const host = sallyport.host;
const same = struct {
    fn same(a: []const u8, b: []const u8) bool {
        return std.mem.eql(u8, a, b);
    }
}.same;

pub const panic = sallyport.panic;

const plugin = sallyport.Plugin(@import("manifest.zig").manifest);

comptime {
    plugin.serve(.{
        .request = onRequest,
        .response = onResponse,
        .list = onList,
        .validate = validate,
        .configure = configure,
        .selftest = selftest,
    });
}

fn onRequest(call: *plugin.Request) plugin.Verdict {
    return judge(call);
}
fn onResponse(call: *plugin.Response) plugin.Verdict {
    return judge(call);
}
fn onList(call: *plugin.List) plugin.Verdict {
    return judge(call);
}

const parameters = "params._meta.tck.";

/// A parameter that is a text, empty if it is absent.
fn word(call: anytype, comptime name: []const u8) []const u8 {
    return call.text(parameters ++ name) orelse "";
}

/// A parameter that is a number, 0 if it is absent.
fn number(call: anytype, comptime name: []const u8) i32 {
    return @trunc(call.number(parameters ++ name) orelse 0);
}

// ---- what is noted as "out" ----

var out_buffer: [4096]u8 = undefined;
var out: []u8 = out_buffer[0..0];

fn put(text: []const u8) void {
    const n = @min(text.len, out_buffer.len - out.len);
    @memcpy(out_buffer[out.len..][0..n], text[0..n]);
    out = out_buffer[0 .. out.len + n];
}

fn putNumber(n: i64) void {
    var digits: [24]u8 = undefined;
    put(digits[0..std.fmt.printInt(&digits, n, 10, .lower, .{})]);
}

fn putHex(bytes: []const u8) void {
    for (bytes) |b| put(&.{ "0123456789abcdef"[b >> 4], "0123456789abcdef"[b & 15] });
}

/// Writes a value after a sign that tells it from what is not there.
fn putValue(text: ?[]const u8) void {
    put(if (text == null) "absent" else "=");
    put(text orelse "");
}

fn putView(v: sallyport.Value) void {
    putNumber(@intCast(v.path));
    put(":");
    putNumber(@backingInt(v.kind));
    put(":");
    put(v.text orelse "");
    put("\n");
}

// ---- the message ----

fn isParameter(field: []const u8) bool {
    return std.mem.startsWith(u8, field, parameters);
}

fn readsOf(comptime C: type) []const []const u8 {
    return plugin.manifest.reads.of(if (C == plugin.Request) .request else if (C == plugin.Response) .response else .list);
}

fn readsMessage(call: anytype, do: []const u8) bool {
    const reads = comptime readsOf(@TypeOf(call.*));
    const id = number(call, "id");
    const string: @TypeOf(call.*).String = .{ .call = call, .index = number(call, "index") };
    if (same(do, "field")) {
        var buf: [2048]u8 = undefined;
        if (host.field(id, &buf, buf.len) == sallyport.abi.CODE_WRONG_TYPE) put("wrong type") else putValue(call.valueAt(id));
    } else if (same(do, "field_num")) {
        const n = host.field_num(id);
        var big: [8]u8 = undefined;
        std.mem.writeInt(u64, &big, @bitCast(n), .big);
        if (n == n) putHex(&big) else put("nan");
    } else if (same(do, "field_kind")) {
        putNumber(host.field_kind(id));
    } else if (same(do, "fields")) {
        for (reads, 0..) |field, i| if (!isParameter(field)) {
            putView(.{ .path = i, .kind = @fromBackingInt(host.field_kind(@intCast(i))), .text = call.valueAt(@intCast(i)) });
        };
    } else if (same(do, "view_fields")) {
        const v = call.fields();
        if (v.len != reads.len) _ = call.fail("a view of another length");
        for (reads, 0..) |field, i| if (!isParameter(field)) putView(v.at(i));
    } else if (same(do, "view_strings")) {
        const v = call.allStrings();
        for (0..v.len) |i| putView(v.at(i));
    } else if (same(do, "strings")) {
        var strings = call.strings();
        while (strings.next()) |s| {
            put(s.path() orelse "");
            put("=");
            put(s.text() orelse "");
            put("\n");
        }
    } else if (same(do, "str")) {
        putValue(string.text());
    } else if (same(do, "str_path")) {
        putValue(string.path());
    } else if (same(do, "str_count")) {
        putNumber(host.str_count());
    } else if (same(do, "small_buffer")) {
        var buf: [16]u8 = @splat(0xee);
        putNumber(host.field(id, &buf, @intCast(number(call, "n"))));
        put(" ");
        putHex(&buf);
    } else return false;
    return true;
}

// ---- edits ----

fn patch(call: anytype, comptime op: []const u8, comptime path: []const u8, comptime json: []const u8) void {
    const at = word(call, path);
    const value = word(call, json);
    putNumber(host.patch(number(call, op), at.ptr, at.len, value.ptr, value.len));
}

fn edits(call: anytype, do: []const u8) bool {
    const text = word(call, "text");
    if (same(do, "str_replace")) {
        putNumber(host.str_replace(number(call, "index"), text.ptr, text.len));
    } else if (same(do, "patch")) {
        patch(call, "op", "path", "json");
        if (call.kind(parameters ++ "path2") != .absent) {
            put(" ");
            patch(call, "op2", "path2", "json2");
        }
    } else if (same(do, "item_drop")) {
        putNumber(host.item_drop(number(call, "index")));
    } else return false;
    return true;
}

/// replaceAll and dropAll are what plugins do: they choose the verdict themselves.
fn replaceAll(call: anytype) !plugin.Verdict {
    var verdict: plugin.Verdict = .pass;
    var strings = call.strings();
    while (strings.next()) |s| if (same(s.text() orelse continue, word(call, "key"))) {
        try s.replace(word(call, "text"));
        verdict = .mutate;
    };
    return verdict;
}

fn dropAll(call: anytype) plugin.Verdict {
    var verdict: plugin.Verdict = .pass;
    if (@TypeOf(call) == *plugin.List) {
        var items = call.items();
        while (items.next()) |item| if (same(item.value("items[*].name") orelse continue, word(call, "key"))) {
            item.drop();
            verdict = .mutate;
        };
    }
    return verdict;
}

// ---- the host ----

fn asksHost(call: anytype, do: []const u8) bool {
    const id = number(call, "id");
    const index = number(call, "index");
    if (same(do, "item_count")) {
        putNumber(host.item_count());
    } else if (same(do, "item")) {
        var buf: [1024]u8 = undefined;
        const n = host.item(index, id, &buf, buf.len);
        if (n == sallyport.abi.CODE_WRONG_TYPE) put("wrong type") else putValue(if (n < 0) null else buf[0..@intCast(n)]);
    } else if (same(do, "match")) {
        var matches = call.matchAt(id, index) orelse {
            putNumber(host.match(id, index, &out_buffer, 0));
            return true;
        };
        while (matches.next()) |found| {
            putNumber(found.start);
            put("-");
            putNumber(found.end);
            put(" ");
            put(call.ruleNameAt(id, found.rule) orelse "");
            put("\n");
        }
    } else if (same(do, "match_rule")) {
        putValue(call.ruleNameAt(id, index));
    } else if (same(do, "lookup")) {
        putValue(call.lookupAt(id, word(call, "key")));
    } else if (same(do, "granted")) {
        putNumber(host.granted(id));
    } else if (same(do, "feature")) {
        putNumber(host.feature(id));
    } else if (same(do, "now")) {
        putNumber(call.now());
    } else return false;
    return true;
}

// ---- what is said ----

fn says(call: anytype, do: []const u8) bool {
    const key = word(call, "key");
    const text = word(call, "text");
    if (same(do, "reason")) {
        host.reason(key.ptr, key.len, text.ptr, text.len);
    } else if (same(do, "approve")) {
        _ = call.approve(text);
    } else if (same(do, "note")) {
        host.note(key.ptr, key.len, text.ptr, text.len);
    } else if (same(do, "label")) {
        host.label(text.ptr, text.len);
    } else if (same(do, "log")) {
        call.log(@fromBackingInt(number(call, "level")), text);
    } else if (same(do, "notes") or same(do, "labels") or same(do, "logs")) {
        for (0..@intCast(number(call, "n"))) |i| {
            out.len = 0;
            put("x");
            putNumber(@intCast(i));
            if (do[0] == 'n') host.note(out.ptr, out.len, out.ptr, out.len) else if (do[1] == 'a') host.label(out.ptr, out.len) else call.log(.info, out);
        }
    } else return false;
    return true;
}

// ---- what must not be ----

var turns: i32 = 0;

noinline fn deeper(above: *volatile i32) i32 {
    var here: [16]i32 = undefined;
    const first: *volatile i32 = &here[0];
    first.* = above.* +% 1;
    @as(*volatile i32, &turns).* = first.*;
    if (@as(*volatile i32, &turns).* < 0) return 0;
    return deeper(first) +% first.*;
}

fn breaks(call: anytype, do: []const u8) void {
    if (same(do, "fail")) _ = call.fail(word(call, "text"));
    if (same(do, "trap")) @trap();
    if (same(do, "spin")) while (true) {
        @as(*volatile i32, &turns).* +%= 1;
    };
    if (same(do, "recurse")) turns = deeper(&turns);
    if (same(do, "grow")) {
        while (@wasmMemoryGrow(0, 16) != -1) {}
        _ = call.fail("no more memory");
    }
}

// ---- the hooks ----

var kept_settings: []const u8 = "";
var calls: i32 = 0;

fn judge(call: anytype) plugin.Verdict {
    const do = call.text(parameters ++ "do") orelse return @fromBackingInt(number(call, "verdict"));
    out.len = 0;
    if (same(do, "replace_all")) return replaceAll(call) catch call.fail("a string that was there is not there");
    if (same(do, "drop_all")) return dropAll(call);
    breaks(call, do);
    if (same(do, "settings")) {
        putValue(kept_settings);
    } else if (same(do, "count")) {
        calls += 1;
        putNumber(calls);
    } else if (says(call, do)) {
        return @fromBackingInt(number(call, "verdict"));
    } else if (!readsMessage(call, do) and !edits(call, do) and !asksHost(call, do)) {
        return call.fail("the guest doesn't know what to do");
    }
    call.note("out", out);
    return @fromBackingInt(number(call, "verdict"));
}

// ---- settings ----

fn validate(settings: []const u8) ?sallyport.Refusal {
    if (same(settings, "{\"mode\":\"refuse\"}")) return .{ .code = "bad_mode", .text = "There is no such mode.", .path = "/mode" };
    if (same(settings, "{\"mode\":\"early\"}")) _ = host.field_kind(0);
    if (same(settings, "{\"mode\":\"trap\"}")) @trap();
    return null;
}

fn configure(settings: []const u8) ?sallyport.Refusal {
    kept_settings = settings;
    return if (same(settings, "{\"mode\":\"refuse to configure\"}")) .{ .text = "So it says." } else null;
}

fn selftest() ?sallyport.Refusal {
    return if (same(kept_settings, "{\"mode\":\"broken\"}")) .{ .text = "So it says." } else null;
}
