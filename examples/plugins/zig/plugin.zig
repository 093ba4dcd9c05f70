//! Tools that run commands may run the listed ones. A command is taken apart as a shell would do
//! it, and refused as soon as a shell would do more than that: chain, redirect, substitute, expand.
//! What remains is a program with words, and these must begin as an entry of the list does.

const std = @import("std");
const sallyport = @import("sallyport");

// A failed check of bounds is a trap, which denies.
pub const panic = sallyport.panic;

pub const plugin = sallyport.Plugin(.{
    .name = "command-list",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.command", "mcp.tool.name" } },
    .verdicts = &.{ .deny, .approve },
    .settings_schema =
    \\{"type": "object",
    \\ "properties": {
    \\  "tools": {"description": "The tools whose argument command is run by a shell.", "type": "array", "items": {"type": "string"}},
    \\  "allow": {"description": "Commands that may run, such as git log: whatever words follow.", "type": "array", "items": {"type": "string"}},
    \\  "ask": {"description": "Commands that a human must agree to.", "type": "array", "items": {"type": "string"}},
    \\  "options": {"description": "What no word may begin with, such as --output.", "type": "array", "items": {"type": "string"}}},
    \\ "required": ["tools", "allow"], "additionalProperties": false}
    ,
    .deterministic = true,
    .limits = .{ .pages = 2, .deadline_ms = 20 },
    .meta = &.{.{ "description", "Lets tools run listed commands only." }},
    .call_bytes = 64 * 1024,
});

pub const functions = .{ .request = onRequest, .validate = validate, .configure = configure, .selftest = selftest };

comptime {
    plugin.serve(functions);
}

// ---- settings ----

const Settings = struct {
    tools: []const []const u8,
    allow: []const []const u8,
    ask: []const []const u8 = &.{},
    options: []const []const u8 = &.{},
};

// Filled while the plugin boots. Each call begins with the memory as it was then.
var settings: Settings = undefined;

/// Refuses what a schema can't: an entry that no command can begin with. An entry is split as a
/// command is, in memory of its own size.
fn validate(given: Settings) ?sallyport.Refusal {
    var memory: [4096]u8 = undefined;
    for ([_][]const []const u8{ given.allow, given.ask }, [_][]const u8{ "/allow", "/ask" }) |entries, path| for (entries) |entry| {
        var fixed: std.heap.FixedBufferAllocator = .init(&memory);
        const words = split(fixed.allocator(), entry) catch &.{};
        if (words.len == 0) return .{ .text = "write a program and, if need be, words that follow it, without a shell's syntax", .path = path };
    };
    for (given.options) |o| if (o.len == 0) return .{ .text = "every word begins with nothing", .path = "/options" };
    return null;
}

fn configure(given: Settings) void {
    settings = given;
}

// ---- the hook ----

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    if (!has(settings.tools, call.text("mcp.tool.name") orelse "")) return .abstain;
    // Not a text: absent, or a list that the server may join to a command.
    const command = call.text("args.command") orelse return call.deny("no_command", "Give the argument command, as a text.");
    const words = split(call.allocator(), command) catch |err| return switch (err) {
        error.ShellSyntax => call.deny("shell_syntax", "Write one command, a program and its arguments; nothing that a shell would chain, redirect or expand."),
        error.OutOfMemory => call.deny("too_long", "The command is too long."),
    };
    for (words) |word| for (settings.options) |option| {
        if (std.mem.startsWith(u8, word, option)) return call.deny("option_refused", "One of the options may not be used.");
    };
    // What must be asked about is looked for first, so that an entry of both lists is asked about.
    if (anyBegins(words, settings.ask)) {
        return call.approve(try std.mem.concat(call.allocator(), u8, &.{ "Run: ", command }));
    }
    if (anyBegins(words, settings.allow)) return .pass;
    return call.deny("not_listed", "This command is not one of those that may be run.");
}

fn has(list: []const []const u8, text: []const u8) bool {
    for (list) |other| if (std.mem.eql(u8, other, text)) return true;
    return false;
}

/// Whether words begin with those of an entry.
fn anyBegins(words: []const []const u8, entries: []const []const u8) bool {
    next: for (entries) |entry| {
        var wanted = std.mem.tokenizeAny(u8, entry, " \t");
        var n: usize = 0;
        while (wanted.next()) |word| : (n += 1) {
            if (n >= words.len or !std.mem.eql(u8, words[n], word)) continue :next;
        }
        return true;
    }
    return false;
}

/// What a byte is, outside of quotes and inside of double ones.
const Byte = enum { plain, blank, quote, syntax };

const outside: [256]Byte = bytes(";&|<>()$`\\*?[]{}!", "'\"", " \t");
const inside: [256]Byte = bytes("$`\\!", "\"", "");

fn bytes(comptime syntax: []const u8, comptime quotes: []const u8, comptime blanks: []const u8) [256]Byte {
    var out: [256]Byte = @splat(.plain);
    for (0..' ') |b| out[b] = .syntax;
    out['\t'] = .plain;
    out[0x7f] = .syntax;
    for (syntax) |b| out[b] = .syntax;
    for (quotes) |b| out[b] = .quote;
    for (blanks) |b| out[b] = .blank;
    return out;
}

/// The words of a command, without their quotes.
fn split(gpa: std.mem.Allocator, command: []const u8) error{ ShellSyntax, OutOfMemory }![]const []const u8 {
    var blanks: usize = 0;
    for (command) |b| blanks += @intFromBool(outside[b] == .blank);
    var words: std.ArrayList([]const u8) = try .initCapacity(gpa, blanks + 1);
    const text = try gpa.alloc(u8, command.len);
    var end: usize = 0;
    var start: ?usize = null;
    var quote: u8 = 0;
    for (command) |b| {
        const what = switch (quote) {
            0 => outside[b],
            '"' => inside[b],
            else => if (b == '\'') .quote else if (b < ' ' and b != '\t') Byte.syntax else .plain,
        };
        switch (what) {
            .syntax => return error.ShellSyntax,
            .blank => {
                if (start) |s| words.appendAssumeCapacity(text[s..end]);
                start = null;
                continue;
            },
            .plain => {
                if (quote == 0 and start == null and (b == '~' or b == '#')) return error.ShellSyntax;
                // A = in the first word is a variable for the program.
                if (quote == 0 and words.items.len == 0 and b == '=') return error.ShellSyntax;
            },
            .quote => {},
        }
        if (start == null) start = end;
        if (what == .quote) {
            quote = if (quote == 0) b else 0;
        } else {
            text[end] = b;
            end += 1;
        }
    }
    if (quote != 0) return error.ShellSyntax;
    if (start) |s| words.appendAssumeCapacity(text[s..end]);
    return words.items;
}

// ---- the self-test, before the plugin serves ----

fn selftest() ?sallyport.Refusal {
    var memory: [256]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    const words = split(fixed.allocator(), "git log 'a b'") catch return .{ .code = "selftest", .text = "a command was refused" };
    if (words.len != 3 or !anyBegins(words, &.{"git log"}) or anyBegins(words, &.{"git log x"})) return .{ .code = "selftest", .text = "a command was misread" };
    if (split(fixed.allocator(), "git log; id")) |_| return .{ .code = "selftest", .text = "two commands were taken for one" } else |_| {}
    return null;
}
