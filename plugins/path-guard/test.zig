//! Tests on this machine. corpus/ has the cases that are measured.

const std = @import("std");
const sallyport = @import("sallyport");
const guard = @import("guard.zig");
const text = @import("text.zig");
const url = @import("url.zig");
const guest = @import("plugin.zig");

const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

test {
    _ = text;
}

const root: guard.Place = .{ .absolute = true, .names = &.{ "srv", "a" } };
const drive: guard.Place = .{ .absolute = true, .drive = 'c', .names = &.{"Work"} };

fn judge(rules: guard.Rules, path: []const u8, want: []const u8) !void {
    errdefer std.debug.print("of {s}\n", .{path});
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const found = try guard.judge(arena.allocator(), &rules, path);
    try expectEqualStrings(want, switch (found) {
        .good => "good",
        .refused => |why| @tagName(why),
        .cleaned => |to| to,
    });
}

test "every setting can be the other way" {
    const any: guard.Rules = .{ .roots = &.{ root, drive } };
    for ([_]struct { guard.Rules, []const u8, []const u8, []const u8 }{
        .{ .{ .roots = &.{root}, .relative = .refuse }, "x", "outside", "good" },
        .{ .{ .roots = &.{root}, .dotdot = .refuse }, "x/../y", "dotdot", "good" },
        .{ .{ .roots = &.{root}, .expansion = .allow }, "~/x", "good", "home" },
        .{ .{ .roots = &.{root}, .expansion = .allow }, "$HOME/x", "good", "variable" },
        .{ .{ .roots = &.{root}, .urls = .refuse }, "file:///srv/a/x", "url", "good" },
        .{ .{ .roots = &.{root}, .devices = .allow }, "aux.c", "good", "device" },
        .{ .{ .roots = &.{root}, .streams = .allow }, "x:y.txt", "drive", "drive" },
        .{ .{ .roots = &.{root}, .streams = .allow }, "xx:y.txt", "good", "stream" },
        .{ .{ .roots = &.{root}, .short_names = .allow }, "GIT~1", "good", "short_name" },
        .{ .{ .roots = &.{root}, .hidden = .refuse }, ".x", "hidden", "good" },
        .{ .{ .roots = &.{root}, .ignore_case = true }, "/SRV/A/x", "good", "outside" },
        .{ .{ .roots = &.{root}, .names = &.{.of(".x*")} }, "d/.X1/y", "name", "good" },
        .{ .{ .roots = &.{root}, .names = &.{.of(".x*")}, .except = &.{.of(".x1")} }, "d/.X1/y", "good", "good" },
        .{ .{ .roots = &.{root}, .extensions = &.{.of("md")} }, "a.txt", "extension", "good" },
        .{ .{ .roots = &.{root}, .extensions = &.{.of("md")} }, "Makefile", "extension", "good" },
        .{ .{ .roots = &.{root}, .extensions = &.{ .of("md"), .of("") } }, ".profile", "good", "good" },
        .{ .{ .roots = &.{root}, .denied_extensions = &.{.of("exe")} }, "a.EXE ", "extension", "good" },
        .{ .{ .roots = &.{root}, .platform = .posix }, "a\\..\\..\\x", "good", "outside" },
        .{ .{ .roots = &.{drive}, .platform = .windows }, "C:\\work\\x", "good", "good" },
        .{ .{ .roots = &.{root}, .base = .{ .absolute = true, .names = &.{ "srv", "a", "b" } } }, "../x", "good", "outside" },
    }) |case| {
        try judge(case[0], case[1], case[2]);
        try judge(any, case[1], case[3]);
    }
}

test "what is good in several ways is written in one" {
    const base: guard.Place = .{ .absolute = true, .names = &.{ "srv", "a" } };
    const posix: guard.Rules = .{ .roots = &.{root}, .clean = true, .platform = .posix };
    for ([_][2][]const u8{
        .{ "x/y.txt", "good" },     .{ "x//./y/", "x/y/" },        .{ "/srv/a/./x", "/srv/a/x" }, .{ "//srv/a/x", "/srv/a/x" },
        .{ "x/../y", "y" },         .{ "x/..", "." },              .{ "", "good" },               .{ "./", "good" },
        .{ "a%20b", "a b" },        .{ "a%2520b", "a b" },         .{ "x\u{2215}y", "x/y" },      .{ "file:///srv/a/x%20y", "/srv/a/x y" },
        .{ "%2e%2e/x", "outside" }, .{ "/srv/a/../b", "outside" }, .{ "a%ffb", "encoding" },      .{ "x%00", "control" },
        .{ "/", "outside" },        .{ "100%", "good" },           .{ "\u{ff21}.txt", "good" },   .{ "a/\u{ff0e}\u{ff0e}/b", "b" },
    }) |case| try judge(posix, case[0], case[1]);
    try judge(.{ .roots = &.{root}, .clean = true, .base = base }, "x/../y\\z", "/srv/a/y/z");
    try judge(.{ .roots = &.{root}, .clean = true }, "//srv/a/x", "/srv/a/x");
    try judge(.{ .roots = &.{root}, .clean = true }, "//host/a/x", "unc");
    try judge(.{ .roots = &.{root}, .clean = true }, "\\\\srv\\a\\x", "unc");
    try judge(.{ .roots = &.{drive}, .clean = true, .platform = .windows }, "c:/WORK\\x. /y", "C:/WORK/x/y");
    try judge(.{ .roots = &.{drive}, .clean = true, .platform = .windows }, "file:///c:/work/x", "C:/work/x");
}

test "a path that is encoded again and again is refused" {
    var path: [64]u8 = undefined;
    const from = "%25252525252525252e";
    @memcpy(path[0..from.len], from);
    try judge(.{ .roots = &.{root} }, path[0..from.len], "encoding");
    try judge(.{ .roots = &.{root} }, "%2525252e", "good");
}

test "blanks around a path don't hide where it leads" {
    const posix: guard.Rules = .{ .roots = &.{root}, .platform = .posix };
    for ([_][2][]const u8{ .{ " /etc/x", "outside" }, .{ "\u{a0}../x", "outside" }, .{ "%20~/x", "home" }, .{ " x ", "good" }, .{ ".. ", "outside" } }) |case| try judge(posix, case[0], case[1]);
}

test "a path that is too long is refused, one that is as long as may be is judged" {
    const many: [guard.longest + 1]u8 = @splat('/');
    try judge(.{ .roots = &.{root}, .platform = .posix }, &many, "too_long");
    try judge(.{ .roots = &.{root}, .platform = .posix }, many[1..], "outside");
}

/// Pieces that paths are made of, honest and otherwise.
const pieces = [_][]const u8{
    "a",     "b",   "..",       ".",      "/",     "/",   "\\",       "%2e",      "%2f",    "%25",    "%252e", "%5c", "~",  "$X",
    ":",     "C:",  "srv",      "/srv/a", " ",     "...", "\u{ff0e}", "\u{2215}", "%c0%ae", "%u002e", "%",     "2e",  "5c", "\u{200b}",
    "file:", "nul", "\u{2025}", "A",      "%2525", "25",  "GIT~1",    ".git",     "\xff",   "%ff",    "host",  "//",  "?",  "\u{a0}",
};

/// Where a path leads if only its slashes and dots count: another way to the same answer.
fn staysInside(path: []const u8) bool {
    var depth: usize = 0;
    var names: [256][]const u8 = undefined;
    var it = std.mem.tokenizeScalar(u8, path, '/');
    const absolute = path.len > 0 and path[0] == '/';
    while (it.next()) |name| {
        if (std.mem.eql(u8, name, ".")) continue;
        if (std.mem.eql(u8, name, "..")) {
            if (depth == 0 and !absolute) return false;
            depth -|= 1;
            continue;
        }
        names[depth] = name;
        depth += 1;
    }
    return !absolute or (depth >= 2 and std.mem.eql(u8, names[0], "srv") and std.mem.eql(u8, names[1], "a"));
}

test "what is good stays inside, however often a program decodes it" {
    var random: std.Random.DefaultPrng = .init(7);
    var good: usize = 0;
    var cleaned: usize = 0;
    for (0..20_000) |i| {
        var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
        defer arena.deinit();
        const gpa = arena.allocator();
        var path: std.ArrayList(u8) = .empty;
        for (0..random.random().uintLessThan(usize, 9) + 1) |_| try path.appendSlice(gpa, pieces[random.random().uintLessThan(usize, pieces.len)]);
        errdefer std.debug.print("of {s}\n", .{path.items});
        var rules: guard.Rules = .{ .roots = &.{root}, .platform = if (i % 3 == 0) .posix else .any, .names = &.{.of(".git")} };
        if (try guard.judge(gpa, &rules, path.items) == .good) {
            good += 1;
            var reading: []const u8 = path.items;
            while (true) {
                try std.testing.expect(staysInside(reading));
                if (try text.folded(gpa, reading)) |other| try std.testing.expect(staysInside(other));
                reading = try text.decoded(gpa, reading) orelse break;
            }
        }
        rules.clean = true;
        switch (try guard.judge(gpa, &rules, path.items)) {
            .good => {},
            .refused => continue,
            .cleaned => |to| {
                cleaned += 1;
                errdefer std.debug.print("which becomes {s}\n", .{to});
                try expectEqual(.good, try guard.judge(gpa, &rules, to));
                rules.clean = false;
                try expectEqual(.good, try guard.judge(gpa, &rules, to));
                try std.testing.expect(staysInside(to));
            },
        }
    }
    try std.testing.expect(good > 1000 and cleaned > 1000);
}

fn host() sallyport.testing.Host {
    return .init(std.testing.allocator, guest.plugin, guest.functions, .{});
}

test "arguments are found by their names" {
    for ([_][2][]const u8{
        .{ "{\"path\":\"/etc/x\"}", "deny path_outside: The path in args.path leads out of the directories that are allowed." },
        .{ "{\"files\":[\"a\",{\"n\":\"../b\"}]}", "deny path_outside: The path in args.files[1].n leads out of the directories that are allowed." },
        .{ "{\"out_path\":\"~/x\"}", "deny path_home: The path in args.out_path begins in a home directory." },
        .{ "{\"content\":\"../x\",\"path\":\"y\"}", "pass" },
        .{ "{\"content\":\"../x\"}", "abstain" },
        .{ "{\"path\":7}", "abstain" },
        .{ "{\"options\":{\"path\":\"/etc/x\"}}", "abstain" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var h = host();
        defer h.deinit();
        try expectEqual(null, try h.boot("{\"roots\":[\"/srv/a\"]}"));
        try expectEqualStrings(case[1], (try h.request(.{ .tool = "t", .args = case[0] })).line);
    }
    var h = host();
    defer h.deinit();
    try expectEqual(null, try h.boot("{\"roots\":[\"/srv/a\"],\"arguments\":[\"**.path\",\"[*odd*\"],\"tools\":[\"read_*\"]}"));
    try expectEqualStrings("abstain", (try h.request(.{ .tool = "write", .args = "{\"o\":{\"path\":\"/x\"}}" })).line);
    for ([_][]const u8{ "{\"o\":{\"path\":\"/x\"}}", "{\"odd key\":\"/x\"}" }) |args| {
        errdefer std.debug.print("of {s}\n", .{args});
        try expectEqual(.deny, (try h.request(.{ .tool = "read_file", .args = args })).verdict);
    }
    var odd = host();
    defer odd.deinit();
    try expectEqual(null, try odd.boot("{\"roots\":[\"/srv/a\"],\"arguments\":[\"[\\\"path.x\\\"]\",\"[\\\"files[0]\\\"]\"]}"));
    for ([_][]const u8{ "{\"path.x\":\"/x\"}", "{\"files[0]\":\"/x\"}" }) |args| {
        errdefer std.debug.print("of {s}\n", .{args});
        try expectEqual(.deny, (try odd.request(.{ .tool = "t", .args = args })).verdict);
    }
}

test "a cleaned path is what the server gets" {
    var h = host();
    defer h.deinit();
    try expectEqual(null, try h.boot("{\"roots\":[\"/srv/a\"],\"mode\":\"clean\",\"base\":\"/srv/a\"}"));
    const got = try h.request(.{ .tool = "t", .args = "{\"path\":\"x/./y\",\"cwd\":\"/srv/a/b\",\"n\":1}" });
    try expectEqualStrings("mutate", got.line);
    try expectEqualStrings("{\"name\":\"t\",\"arguments\":{\"path\":\"/srv/a/x/y\",\"cwd\":\"/srv/a/b\",\"n\":1}}", got.after);
    try expectEqualStrings("args.path", got.note("cleaned").?);
}

test "file URIs of resources are judged and never rewritten" {
    for ([_][3][]const u8{
        .{ "refuse", "\"file:///srv/a/x\"", "pass" },
        .{ "refuse", "\"file:///etc/x\"", "deny path_outside: The path in uri leads out of the directories that are allowed." },
        .{ "clean", "\"FILE:///srv/a/%2e%2e/x\"", "deny path_outside: The path in uri leads out of the directories that are allowed." },
        .{ "clean", "\"file:///srv/a/x\"", "pass" },
        .{ "refuse", "\"https://example.com/../x\"", "abstain" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[1]});
        var h = host();
        defer h.deinit();
        try expectEqual(null, try h.boot(if (case[0][0] == 'c') "{\"roots\":[\"/srv/a\"],\"mode\":\"clean\"}" else "{\"roots\":[\"/srv/a\"]}"));
        const got = try h.request(.{ .method = "resources/read", .params = "{}", .with = &.{.{ "mcp.resource.uri", case[1] }} });
        try expectEqualStrings(case[2], got.line);
    }
}

test "a file URL that is hidden in a URI is found" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    for ([_][]const u8{
        " file:///x",       "\u{a0}file:/x",         "fi\tle:///x",          "\x01 \nFILE:x",      "jar:file:///x!/y", "view-source:file:C:/x",
        "git+file:///x",    "a?u=file%3A%2F%2F%2Fx", "a?u=%2566ile%253a//x", "f\u{200b}ile:///x",  "x\tfile:\\x",      "url:file: /x",
        "file\u{ff1a}///x", "%20file:///x",          "%25252525252525252e",  "x:\u{3000}file://h",
    }) |uri| {
        errdefer std.debug.print("of {s}\n", .{uri});
        try std.testing.expect(try url.hidesFileUrl(arena.allocator(), uri));
    }
    for ([_][]const u8{ "", "profile:///x", "my-file://x", "https://example.com/file:x", "urn:file", "x:file:", "https://example.com/a%20b", "files:/x", "%u0100:/" }) |uri| {
        errdefer std.debug.print("of {s}\n", .{uri});
        try std.testing.expect(!try url.hidesFileUrl(arena.allocator(), uri));
    }
}

test "settings that make no sense are refused" {
    const roots = "/roots: settings_refused: write absolute paths without . and .., drives only if the platform has them";
    for ([_][2][]const u8{
        .{ "{\"roots\":[\"/srv/a\",\"b\"]}", roots },
        .{ "{\"roots\":[\"/srv/../a\"]}", roots },
        .{ "{\"roots\":[\"C:/x\"],\"platform\":\"posix\"}", roots },
        .{ "{\"roots\":[\"//host/x\"]}", roots },
        .{ "{\"roots\":[\"/a\"],\"base\":\"b\"}", "/base: settings_refused: write an absolute path without . and .." },
        .{ "{\"roots\":[\"/a\"],\"base\":\"/a\",\"platform\":\"windows\"}", "taken" },
        .{ "{\"roots\":[\"C:\\\\Work\"]}", "taken" },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var h = host();
        defer h.deinit();
        try expectEqualStrings(case[1], (try h.boot(case[0])) orelse "taken");
    }
}
