//! Tests of the plugin on this machine. corpus/ has more cases, for the module that is built.

const std = @import("std");
const sallyport = @import("sallyport");
const guest = @import("plugin.zig");

const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

const settings =
    \\{"tools":["run"],"allow":["git log","git push","ls"],"ask":["git push"],"options":["--output","-o"]}
;

test "what a command comes to" {
    const syntax = "deny shell_syntax: Write one command, a program and its arguments; nothing that a shell would chain, redirect or expand.";
    const listed = "deny not_listed: This command is not one of those that may be run.";
    for ([_][2][]const u8{
        .{ "\"ls\"", "pass" },
        .{ "\"  ls  -la\\t'my files' \"", "pass" },
        .{ "\"git log --format=%H main..dev\"", "pass" },
        .{ "\"'git' lo\\\"g\\\"\"", "pass" },
        .{ "\"git push origin main\"", "approve: Run: git push origin main" },
        .{ "\"git status\"", listed },
        .{ "\"git\"", listed },
        .{ "\"\"", listed },
        .{ "\"lsof\"", listed },
        .{ "\"/bin/ls\"", listed },
        .{ "\"'ls '\"", listed },
        .{ "\"ls; id\"", syntax },
        .{ "\"ls\\nid\"", syntax },
        .{ "\"ls \\\"$(id)\\\"\"", syntax },
        .{ "\"ls 'a\"", syntax },
        .{ "\"LD_PRELOAD=x ls\"", syntax },
        .{ "\"ls ~root\"", syntax },
        .{ "\"ls a~ a=b a#b '$x;'\"", "pass" },
        .{ "\"git log --output=/etc/x\"", "deny option_refused: One of the options may not be used." },
        .{ "\"git log '-o' x\"", "deny option_refused: One of the options may not be used." },
        .{ "[\"ls\"]", "deny no_command: Give the argument command, as a text." },
        .{ "null", "deny no_command: Give the argument command, as a text." },
    }) |case| {
        errdefer std.debug.print("of {s}\n", .{case[0]});
        var host: sallyport.testing.Host = .init(std.testing.allocator, guest.plugin, guest.functions, .{});
        defer host.deinit();
        try expectEqual(null, try host.boot(settings));
        const args = try std.mem.concat(std.testing.allocator, u8, &.{ "{\"command\":", case[0], "}" });
        defer std.testing.allocator.free(args);
        try expectEqualStrings(case[1], (try host.request(.{ .tool = "run", .args = args })).line);
        try expectEqualStrings("abstain", (try host.request(.{ .tool = "other", .args = args })).line);
    }
}

test "a command that is too long is refused" {
    var host: sallyport.testing.Host = .init(std.testing.allocator, guest.plugin, guest.functions, .{});
    defer host.deinit();
    try expectEqual(null, try host.boot(settings));
    const words: [20_000]u8 = @splat(' ');
    const got = try host.request(.{ .tool = "run", .args = "{\"command\":\"ls" ++ words ++ "\"}" });
    try expectEqualStrings("deny too_long: The command is too long.", got.line);
}

test "settings that no command can fit are refused" {
    for ([_][2][]const u8{
        .{ "{\"tools\":[],\"allow\":[\"ls\",\"a | b\"]}", "/allow: settings_refused: write a program and, if need be, words that follow it, without a shell's syntax" },
        .{ "{\"tools\":[],\"allow\":[],\"ask\":[\" \"]}", "/ask: settings_refused: write a program and, if need be, words that follow it, without a shell's syntax" },
        .{ "{\"tools\":[],\"allow\":[],\"options\":[\"\"]}", "/options: settings_refused: every word begins with nothing" },
    }) |case| {
        var host: sallyport.testing.Host = .init(std.testing.allocator, guest.plugin, guest.functions, .{});
        defer host.deinit();
        try expectEqualStrings(case[1], (try host.boot(case[0])) orelse "taken");
    }
}
