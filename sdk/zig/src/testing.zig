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
const manifest = @import("manifest.zig");
const Functions = @import("plugin.zig").Functions;
const State = @import("testing/State.zig");

const mem = std.mem;

/// The functions of the host, as plugins call them.
pub const host = @import("testing/host.zig");

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

const Hook = *const fn () callconv(.c) i32;
const Take = *const fn ([*]u8, usize) callconv(.c) i32;

/// A gateway with one plugin.
pub const Host = struct {
    arena: std.heap.ArenaAllocator,
    options: Options,
    manifest: manifest.Manifest,
    hooks: std.enums.EnumFieldStruct(manifest.Hook, ?Hook, @as(?Hook, null)) = .{},
    alloc: ?*const fn (usize) callconv(.c) ?[*]u8 = null,
    steps: [2]?Take = .{ null, null },
    selftest: ?Hook = null,

    /// A host for a plugin and the functions that it serves.
    pub fn init(gpa: mem.Allocator, comptime P: type, comptime functions: anytype, options: Options) Host {
        const Served = Functions(P, functions);
        _ = Served.hooks;
        const F = @TypeOf(functions);
        var h: Host = .{ .arena = .init(gpa), .options = options, .manifest = P.manifest };
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
        var state: State = .{ .gpa = h.arena.allocator(), .world = h.options, .manifest = h.manifest };
        State.current = &state;
        defer State.current = null;
        if (h.alloc) |alloc| {
            const at = alloc(settings.len) orelse return "sp_alloc has no memory for the settings";
            @memcpy(at, settings);
            for (h.steps) |step| if (step) |take| if (take(at, settings.len) != 0 or state.failed) return try state.refusal();
        }
        if (h.selftest) |f| if (f() != 0 or state.failed) return try state.refusal();
        return null;
    }

    pub fn request(h: *Host, message: Message) !Outcome {
        return h.call(.request, message);
    }
    pub fn response(h: *Host, message: Message) !Outcome {
        return h.call(.response, message);
    }
    pub fn list(h: *Host, message: Message) !Outcome {
        return h.call(.list, message);
    }

    fn call(h: *Host, comptime hook: manifest.Hook, message: Message) !Outcome {
        var state: State = .{ .gpa = h.arena.allocator(), .world = h.options, .manifest = h.manifest, .hook = hook, .message = message };
        try state.parse();
        State.current = &state;
        defer State.current = null;
        if (@field(h.hooks, @tagName(hook))) |f| state.accept(f()) else state.fail("abi", "the plugin has no such hook", .{});
        return state.outcome();
    }
};
