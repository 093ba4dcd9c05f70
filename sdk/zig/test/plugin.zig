//! A plugin that uses every part of the SDK, for plugin_test.zig.

const std = @import("std");
const sallyport = @import("sallyport");

pub const panic = sallyport.panic;

pub const plugin = sallyport.Plugin(.{
    .name = "sdk-test",
    .version = "1.0.0",
    .reads = .{
        .request = &.{ "mcp.tool.name", "args.path", "args.amount", "args.tags", "args[\"odd key\"]", "principal.groups", "request.headers[\"x-tenant\"]" },
        .response = &.{"mcp.result.isError"},
        .list = &.{ "items[*].name", "principal.id" },
    },
    .strings = .{ .request = &.{ "args.list[*].text", "args.body" } },
    .writes = &.{ "args.list[*].text", "args.body", "args.note", "items[*].description" },
    .verdicts = &.{ .deny, .mutate, .approve },
    .capabilities = &.{ "match:pii", "lookup:tenants" },
    .settings_schema =
    \\{"type": "object"}
    ,
    .call_bytes = 1024,
    .settings_bytes = 256,
});

pub const functions = .{
    .request = onRequest,
    .response = onResponse,
    .list = onList,
    .validate = validate,
    .configure = configure,
    .selftest = selftest,
};

comptime {
    plugin.serve(functions);
}

const Settings = struct { mask: enum { stars, word } = .word, mistake: []const u8 = "" };

var settings: Settings = .{};

fn validate(given: Settings) ?sallyport.Refusal {
    if (std.mem.eql(u8, given.mistake, "mask")) return .{ .code = "bad_mask", .text = "The mask is none.", .path = "/mask" };
    return null;
}

fn configure(given: Settings) void {
    settings = given;
    if (std.mem.eql(u8, given.mistake, "early")) _ = sallyport.host.field_kind(0);
}

fn selftest() ?sallyport.Refusal {
    return if (std.mem.eql(u8, settings.mistake, "broken")) .{ .code = "broken", .text = "It is." } else null;
}

fn redact(call: *plugin.Request) !plugin.Verdict {
    var verdict: plugin.Verdict = .pass;
    var strings = call.strings();
    while (strings.next()) |s| {
        const before = call.mark();
        defer call.forget(before);
        var found = s.match("match:pii") orelse continue;
        const first = found.next() orelse continue;
        call.note("rule", call.ruleName("match:pii", first.rule).?);
        call.note("place", s.path().?);
        try s.replace(if (settings.mask == .stars) "***" else "[masked]");
        verdict = .mutate;
    }
    return verdict;
}

const Case = enum { etc, ask, outside, set, text, element, remove, gone, nowhere, bad, fail, err, tenant, view, number, fill, inside, refused, twice, redact };

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    const path = call.text("args.path") orelse return call.deny("no_path", "A path is needed.");
    switch (std.meta.stringToEnum(Case, path) orelse return .pass) {
        .etc => return .deny,
        .ask => return call.approve("Really?"),
        .outside => try call.setAt("args.path", "1"),
        .set => try call.set("args.note", "{\"a\":1}"),
        .text => try call.setText("args.note", "a\"\\\n\x01\xc3\xa9"),
        .element => try call.setText("args.list[1].text", "new"),
        .remove => try call.remove("args.list[0].text"),
        .gone => try call.remove("args.note"),
        .nowhere => call.remove("args.list[7].text") catch |err| return if (err == error.NoSuchPlace) .deny else .pass,
        .inside => {
            try call.set("args.note", "{}");
            try call.set("args.note.a", "1");
        },
        .refused => {
            try call.set("args.note", "{}");
            try call.set("args.note.a", "1");
            return .deny;
        },
        .twice => {
            try call.set("args.note", "1");
            try call.set("args.note", "2");
        },
        .bad => return @fromBackingInt(9),
        .fail => {
            call.label("lost");
            call.note("kept", "yes");
            return call.fail("can't judge");
        },
        .err => return error.SomethingElse,
        .tenant => {
            call.note("tenant", call.lookup("lookup:tenants", "alice") orelse "none");
            call.label("seen");
            if (!sallyport.has(.view)) call.label("no-view");
            call.log(.warn, "hello");
            if (call.now() != 7) return .deny;
            return .abstain;
        },
        .view => {
            const v = call.fields();
            if (v.len != 7 or call.allStrings().len != 2) return .deny;
            for (0..v.len) |i| call.log(.debug, v.at(i).text orelse "absent");
            const s = call.allStrings();
            for (0..s.len) |i| call.log(@fromBackingInt(@as(i32, @intCast(s.at(i).path))), s.at(i).text.?);
            return .pass;
        },
        .number => return if ((call.number("args.amount") orelse 11) > 10 and call.kind("args.tags") == .array) .pass else .deny,
        .fill => while (call.value("args.path")) |_| {},
        .redact => return redact(call),
    }
    return .mutate;
}

fn onResponse(call: *plugin.Response) plugin.Verdict {
    return if (call.boolean("mcp.result.isError") orelse false) call.deny("is_error", "") else .pass;
}

fn onList(call: *plugin.List) !plugin.Verdict {
    var verdict: plugin.Verdict = .pass;
    var items = call.items();
    while (items.next()) |item| if (std.mem.eql(u8, item.value("items[*].name") orelse "", "secret")) {
        item.drop();
        if (call.text("principal.id") != null) try call.setAt("items[1].description", "1");
        verdict = .mutate;
    };
    return verdict;
}
