//! What a manifest makes of the functions of a plugin.

const std = @import("std");
const builtin = @import("builtin");
const abi = @import("abi.zig");
const sallyport = @import("sallyport.zig");
const settings = @import("settings.zig");
const Manifest = @import("manifest.zig").Manifest;
const Call = @import("call.zig").Call;

const host = sallyport.host;
const on_wasm = builtin.cpu.arch.isWasm();

/// A plugin with this manifest.
pub fn Plugin(comptime declared: Manifest) type {
    return struct {
        const Self = @This();

        pub const manifest: Manifest = declared.checked();

        /// What the hooks' calls share, one at a time.
        pub var memory: [manifest.call_bytes]u8 align(8) = undefined;

        /// What a hook returns: pass, abstain, and what the manifest declares.
        pub const Verdict = VerdictOf(manifest);

        /// A message that asks, for the hook request.
        pub const Request = Call(Self, .request);
        /// A result or a notification, for the hook response.
        pub const Response = Call(Self, .response);
        /// The items of a list, for the hook list.
        pub const List = Call(Self, .list);

        /// Whether a capability was granted.
        pub fn granted(comptime capability: []const u8) bool {
            return host.granted(capabilityId(capability)) == 1;
        }

        /// The id of a capability of the manifest.
        pub fn capabilityId(comptime capability: []const u8) i32 {
            return comptime indexOf(capability, manifest.capabilities, "the manifest's capabilities");
        }

        /// Writes a line to the operator's log.
        pub fn log(level: sallyport.Level, text: []const u8) void {
            host.log(@backingInt(level), text.ptr, text.len);
        }

        /// Makes a module of functions: `request`, `response` and `list` judge, each from a call to
        /// a Verdict, or to an error union of one. `validate` and `configure` take the settings, as
        /// JSON ([]const u8) or decoded into the type of their parameter, and `selftest` takes
        /// nothing; they return void or ?Refusal. Call it in a comptime block.
        pub fn serve(comptime functions: anytype) void {
            const Served = Functions(Self, functions);
            if (!on_wasm) return;
            for (.{ "request", "response", "list" }) |hook| {
                if (@hasField(@TypeOf(functions), hook)) @export(&@field(Served, hook), .{ .name = "sp_on_" ++ hook });
            }
            if (Served.takes_settings) @export(&Served.alloc, .{ .name = "sp_alloc" });
            if (@hasField(@TypeOf(functions), "validate")) @export(&Served.validate, .{ .name = "sp_validate_settings" });
            if (@hasField(@TypeOf(functions), "configure")) @export(&Served.configure, .{ .name = "sp_configure" });
            if (@hasField(@TypeOf(functions), "selftest")) @export(&Served.selftest, .{ .name = "sp_selftest" });
            _ = CustomSection(manifest.json(Served.hooks));
        }
    };
}

/// The exports of a plugin.
pub fn Functions(comptime P: type, comptime functions: anytype) type {
    const F = @TypeOf(functions);
    const known: []const []const u8 = &.{ "configure", "list", "request", "response", "selftest", "validate" };
    comptime for (@typeInfo(F).@"struct".field_names) |name| {
        _ = indexOf(name, known, "the functions that a plugin can have");
    };
    return struct {
        pub const takes_settings = @hasField(F, "configure") or @hasField(F, "validate");

        pub const hooks = blk: {
            var names: []const []const u8 = &.{};
            for (.{ "request", "response", "list" }) |hook| {
                if (@hasField(F, hook)) names = names ++ &[_][]const u8{hook};
                if (!@hasField(F, hook) and @field(P.manifest.reads, hook).len + @field(P.manifest.strings, hook).len > 0)
                    @compileError("the manifest reads in " ++ hook ++ ", and no such function is served");
            }
            if (names.len == 0) @compileError("serve one of request, response, list");
            break :blk names;
        };

        pub fn request() callconv(.c) i32 {
            return judge(P.Request, functions.request);
        }
        pub fn response() callconv(.c) i32 {
            return judge(P.Response, functions.response);
        }
        pub fn list() callconv(.c) i32 {
            return judge(P.List, functions.list);
        }

        inline fn judge(comptime C: type, comptime function: anytype) i32 {
            var call: C = .begin();
            const verdict = function(&call);
            if (@typeInfo(@TypeOf(verdict)) != .error_union) return @backingInt(verdict);
            return @backingInt(verdict catch |err| call.fail(@errorName(err)));
        }

        var memory: [P.manifest.settings_bytes]u8 align(8) = undefined;

        pub fn alloc(len: usize) callconv(.c) ?[*]u8 {
            return if (len <= memory.len) &memory else null;
        }
        pub fn validate(text: [*]u8, len: usize) callconv(.c) i32 {
            return take(text[0..len], functions.validate);
        }
        pub fn configure(text: [*]u8, len: usize) callconv(.c) i32 {
            return take(text[0..len], functions.configure);
        }

        fn take(text: []u8, comptime function: anytype) i32 {
            const T = @typeInfo(@TypeOf(function)).@"fn".param_types[0].?;
            if (T == []const u8) return answer(function(text));
            var rest = std.heap.FixedBufferAllocator.init(memory[@min(memory.len, std.mem.alignForward(usize, text.len, 8))..]);
            const taken = settings.decode(T, rest.allocator(), text) catch |err| return answer(@as(?sallyport.Refusal, .{ .text = switch (err) {
                error.OutOfMemory => "The settings are larger than the plugin's memory for them.",
                error.NotOfThatForm => "The settings are not of the form that the plugin takes.",
            } }));
            return answer(function(taken));
        }

        pub fn selftest() callconv(.c) i32 {
            return answer(functions.selftest());
        }

        fn answer(given: anytype) i32 {
            if (@TypeOf(given) == void) return 0;
            const r: sallyport.Refusal = given orelse return 0;
            host.reason(r.code.ptr, r.code.len, r.text.ptr, r.text.len);
            if (r.path) |p| host.note("path", 4, p.ptr, p.len);
            return 1;
        }
    };
}

fn VerdictOf(comptime m: Manifest) type {
    var names: []const []const u8 = &.{ "pass", "abstain" };
    var values: []const i32 = &.{ abi.VERDICT_PASS, abi.VERDICT_ABSTAIN };
    for (m.verdicts) |v| {
        names = names ++ &[_][]const u8{@tagName(v)};
        values = values ++ &[_]i32{switch (v) {
            .deny => abi.VERDICT_DENY,
            .mutate => abi.VERDICT_MUTATE,
            .approve => abi.VERDICT_APPROVE,
        }};
    }
    return @Enum(i32, .nonexhaustive, names, values[0..values.len]);
}

/// A custom section with the manifest. Assembly is the one way to it that survives the linker's
/// stripping and needs no other tool.
fn CustomSection(comptime text: []const u8) type {
    @setEvalBranchQuota(10_000_000);
    var escaped: []const u8 = "";
    var i: usize = 0;
    while (i < text.len) {
        var piece: []const u8 = "";
        const end = @min(text.len, i + 512); // joins of long texts are slow
        while (i < end) : (i += 1) piece = piece ++ switch (text[i]) {
            '"' => "\\\"",
            '\\' => "\\\\",
            ' '...'!', '#'...'[', ']'...'~' => text[i .. i + 1],
            else => std.fmt.comptimePrint("\\{o:0>3}", .{text[i]}),
        };
        escaped = escaped ++ piece;
    }
    const source = ".section .custom_section." ++ abi.MANIFEST_SECTION ++ ",\"\",@\n.ascii \"" ++ escaped ++ "\"\n.text\n";
    return struct {
        comptime {
            asm (source);
        }
    };
}

/// The index of a text in a list, or a compile error that says which was meant.
pub fn indexOf(comptime text: []const u8, comptime list: []const []const u8, comptime where: []const u8) i32 {
    @setEvalBranchQuota(1_000_000);
    for (list, 0..) |other, i| if (std.mem.eql(u8, text, other)) return i;
    @compileError("\"" ++ text ++ "\" is not in " ++ where ++ suggestion(text, list));
}

fn suggestion(comptime text: []const u8, comptime list: []const []const u8) []const u8 {
    var best: []const u8 = "";
    var least: usize = text.len / 3 + 2;
    for (list) |other| {
        const d = distance(text, other);
        if (d < least) {
            least = d;
            best = other;
        }
    }
    if (best.len > 0) return "; did you mean \"" ++ best ++ "\"?";
    if (list.len == 0) return ", which is empty";
    var all: []const u8 = "";
    for (list) |other| all = all ++ " \"" ++ other ++ "\"";
    return ":" ++ all;
}

/// How many letters to change, add or leave out.
fn distance(comptime a: []const u8, comptime b: []const u8) usize {
    var row: [b.len + 1]usize = undefined;
    for (&row, 0..) |*r, j| r.* = j;
    for (a, 1..) |x, i| {
        var left = row[0];
        row[0] = i;
        for (b, 1..) |y, j| {
            const above = row[j];
            var least = left + @intFromBool(x != y);
            if (above + 1 < least) least = above + 1;
            if (row[j - 1] + 1 < least) least = row[j - 1] + 1;
            row[j] = least;
            left = above;
        }
    }
    return row[b.len];
}
