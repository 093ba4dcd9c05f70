//! Tests of the SDK by what a plugin sees of it, and of the host that tests have.

const std = @import("std");
const sallyport = @import("sallyport");
const guest = @import("plugin.zig");

const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;
const Options = sallyport.testing.Options;

fn newHost(options: Options) sallyport.testing.Host {
    return .init(std.testing.allocator, guest.plugin, guest.functions, options);
}

const tables: []const Options.Entry = &.{.{ .capability = "lookup:tenants", .name = "alice", .value = "{\"t\": 1.50}" }};
const detectors: []const Options.Entry = &.{
    .{ .capability = "match:pii", .name = "short", .value = "bob" },
    .{ .capability = "match:pii", .name = "email", .value = "bob@example.com" },
};

test "a call comes to a line" {
    for ([_][2][]const u8{
        .{ "{}", "deny no_path: A path is needed." },
        .{ "{\"path\":[\"etc\"]}", "deny no_path: A path is needed." },
        .{ "{\"path\":\"etc\"}", "deny denied_by_plugin" },
        .{ "{\"path\":\"ask\"}", "approve: Really?" },
        .{ "{\"path\":\"outside\"}", "failed capability: args.path is not within writes" },
        .{ "{\"path\":\"nowhere\"}", "deny denied_by_plugin" },
        .{ "{\"path\":\"remove\"}", "failed trap: NoSuchPlace" },
        .{ "{\"path\":\"gone\"}", "failed trap: NoSuchPlace" },
        .{ "{\"path\":\"number\",\"amount\":\"12\",\"tags\":[]}", "pass" },
        .{ "{\"path\":\"inside\",\"note\":{}}", "failed abi: args.note and args.note.a are edited, and one is inside the other" },
        .{ "{\"path\":\"refused\",\"note\":{}}", "deny denied_by_plugin" },
        .{ "{\"path\":\"bad\"}", "failed abi: there is no verdict 9" },
        .{ "{\"path\":\"fail\"}", "failed trap: can't judge" },
        .{ "{\"path\":\"err\"}", "failed trap: SomethingElse" },
        .{ "{\"path\":\"fill\"}", "failed trap: the call's memory is full: set call_bytes in the manifest" },
        .{ "{\"path\":\"number\",\"amount\":10.5,\"tags\":[]}", "pass" },
        .{ "{\"path\":\"number\",\"amount\":10.5,\"tags\":{}}", "deny denied_by_plugin" },
        .{ "{\"path\":\"tenant\"}", "failed capability: lookup:tenants is not granted" },
        .{ "{\"path\":\"other\"}", "pass" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var host = newHost(.{});
        defer host.deinit();
        const got = try host.request(.{ .tool = "t", .args = case[0] });
        try expectEqualStrings(case[1], got.line);
        try expectEqual(0, got.labels.len);
    }
}

test "an edit changes the message" {
    const list = "\"list\":[{\"text\":\"x\"},{\"text\":\"y\",\"n\":1.50}]";
    for ([_][2][]const u8{
        .{ "set", "{\"path\":\"set\"," ++ list ++ ",\"note\":{\"a\":1}}" },
        .{ "text", "{\"path\":\"text\"," ++ list ++ ",\"note\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\"}" },
        .{ "element", "{\"path\":\"element\",\"list\":[{\"text\":\"x\"},{\"text\":\"new\",\"n\":1.50}]}" },
        .{ "remove", "{\"path\":\"remove\",\"list\":[{},{\"text\":\"y\",\"n\":1.50}]}" },
        .{ "twice", "{\"path\":\"twice\"," ++ list ++ ",\"note\":2}" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var host = newHost(.{});
        defer host.deinit();
        const args = try std.mem.concat(std.testing.allocator, u8, &.{ "{\"path\":\"", case[0], "\",", list, "}" });
        defer std.testing.allocator.free(args);
        const got = try host.request(.{ .params = "{\"name\":\"t\"}", .args = args });
        try expectEqualStrings("mutate", got.line);
        const want = try std.mem.concat(std.testing.allocator, u8, &.{ "{\"name\":\"t\",\"arguments\":", case[1], "}" });
        defer std.testing.allocator.free(want);
        try expectEqualStrings(want, got.after);
    }
}

test "an operator may withhold what the manifest asks for" {
    for ([_][3][]const u8{
        .{ "mutate", "set", "failed capability: the verdict mutate is not granted" },
        .{ "args.path", "set", "failed capability: args.path is not granted" },
        .{ "args.note", "set", "failed capability: args.note is not within writes" },
        .{ "approve", "ask", "failed capability: the verdict approve is not granted" },
    }) |case| {
        var host = newHost(.{ .withheld = &.{case[0]} });
        defer host.deinit();
        const args = try std.mem.concat(std.testing.allocator, u8, &.{ "{\"path\":\"", case[1], "\"}" });
        defer std.testing.allocator.free(args);
        try expectEqualStrings(case[2], (try host.request(.{ .args = args })).line);
    }
}

test "strings are found, matched and replaced" {
    var host = newHost(.{ .detectors = detectors });
    defer host.deinit();
    try expectEqual(null, try host.boot("{\"mask\":\"stars\"}"));
    const got = try host.request(.{ .args = "{\"path\":\"redact\",\"body\":\"hi\",\"list\":[{\"text\":\"to bob@example.com\"},{\"other\":\"bob\"}]}" });
    try expectEqualStrings("mutate", got.line);
    try expectEqualStrings("email", got.note("rule").?);
    try expectEqualStrings("args.list[0].text", got.note("place").?);
    try expectEqual(1, got.edits.len);
    try expectEqualStrings("{\"arguments\":{\"path\":\"redact\",\"body\":\"hi\",\"list\":[{\"text\":\"***\"},{\"other\":\"bob\"}]}}", got.after);
}

test "a table, a label, a log line and the time" {
    var host = newHost(.{ .tables = tables });
    defer host.deinit();
    const got = try host.request(.{ .args = "{\"path\":\"tenant\"}", .now_ms = 7 });
    try expectEqualStrings("abstain", got.line);
    try expectEqualStrings("{\"t\":1.50}", got.note("tenant").?);
    try expectEqualStrings("seen", got.labels[0]);
    try expectEqualStrings("warn: hello", got.logs[0]);
}

test "what was noted before a failure stays" {
    var host = newHost(.{});
    defer host.deinit();
    const got = try host.request(.{ .args = "{\"path\":\"fail\"}" });
    try expectEqual(.deny, got.verdict);
    try expectEqualStrings("plugin_failed", got.code);
    try expectEqualStrings("yes", got.note("kept").?);
}

test "a view has every value at its id" {
    var host = newHost(.{});
    defer host.deinit();
    const got = try host.request(.{
        .tool = "t",
        .args = "{\"path\":\"view\",\"amount\":1.50,\"odd key\":null,\"body\":\"b\",\"list\":[{\"text\":\"l\"}]}",
        .with = &.{ .{ "principal.groups", "[\"dev\", \"ops\"]" }, .{ "request.headers", "{\"x-tenant\": \"acme\"}" } },
    });
    try expectEqualStrings("pass", got.line);
    const want = [_][]const u8{ "debug: 1.50", "debug: view", "debug: absent", "debug: null", "debug: t", "debug: [\"dev\",\"ops\"]", "debug: acme", "debug: b", "info: l" };
    try expectEqual(want.len, got.logs.len);
    for (want, got.logs) |w, g| try expectEqualStrings(w, g);
}

test "a response and a list have their own hooks" {
    var host = newHost(.{});
    defer host.deinit();
    try expectEqualStrings("deny is_error", (try host.response(.{ .tool = "t", .result = "{\"isError\":true}" })).line);
    try expectEqualStrings("pass", (try host.response(.{ .tool = "t", .result = "{\"isError\":\"true\"}" })).line);
    const got = try host.list(.{ .method = "tools/list", .items = "[{\"name\":\"a\"},{\"name\":\"secret\"},{\"name\":\"b\"},{\"name\":\"secret\"}]" });
    try expectEqualStrings("mutate", got.line);
    try expectEqualStrings("[{\"name\":\"a\"},{\"name\":\"b\"}]", got.after);
    const both = try host.list(.{ .method = "tools/list", .items = "[{\"name\":\"a\"},{\"name\":\"secret\"}]", .with = &.{.{ "principal.id", "\"ann\"" }} });
    try expectEqualStrings("failed abi: items[1].description is edited, and its item dropped", both.line);
}

test "settings are taken or refused" {
    for ([_]struct { []const u8, ?[]const u8 }{
        .{ "{}", null },
        .{ "{\"mask\":\"stars\",\"other\":[{}]}", null },
        .{ "{\"mask\":\"none\"}", "settings_refused: The settings are not of the form that the plugin takes." },
        .{ "{\"mistake\":\"mask\"}", "/mask: bad_mask: The mask is none." },
        .{ "{\"mistake\":\"broken\"}", "broken: It is." },
        .{ "{\"mistake\":\"early\"}", "failed abi: field_kind is called before the first hook" },
        .{ "{\"mistake\":\"" ++ many(140) ++ "\"}", "settings_refused: The settings are larger than the plugin's memory for them." },
        .{ "{\"mistake\":\"" ++ many(300) ++ "\"}", "sp_alloc has no memory for the settings" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var host = newHost(.{});
        defer host.deinit();
        const got = try host.boot(case[0]);
        if (case[1]) |want| try expectEqualStrings(want, got orelse "taken") else try expectEqual(null, got);
    }
}

test "features may be lacking" {
    var host = newHost(.{ .tables = tables, .lacks = &.{sallyport.abi.FEATURE_VIEW} });
    defer host.deinit();
    const got = try host.request(.{ .args = "{\"path\":\"tenant\"}", .now_ms = 7 });
    try expectEqualStrings("no-view", got.labels[1]);
}

fn many(comptime n: usize) *const [n]u8 {
    const text: [n]u8 = @splat('x');
    return &text;
}
