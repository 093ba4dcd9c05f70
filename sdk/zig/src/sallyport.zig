//! Plugins for Sallyport gateways. A plugin is a manifest, which is a value known at compile time,
//! and a function from a call to a verdict for each hook:
//!
//!     const sallyport = @import("sallyport");
//!
//!     const plugin = sallyport.Plugin(.{
//!         .name = "need-path",
//!         .version = "1.0.0",
//!         .reads = .{ .request = &.{"args.path"} },
//!         .verdicts = &.{.deny},
//!     });
//!
//!     comptime {
//!         plugin.serve(.{ .request = onRequest });
//!     }
//!
//!     fn onRequest(call: *plugin.Request) plugin.Verdict {
//!         _ = call.text("args.path") orelse return call.deny("no_path", "A path is needed.");
//!         return .pass;
//!     }
//!
//! Fields, capabilities and places to edit are named as the manifest names them, and looked up
//! while the plugin is compiled. What can't be judged is denied: a text that doesn't fit into the
//! call's memory, an error that a hook returns and whatever the ABI forbids (hostapi/ABI.md) end
//! the call as a failure.

const std = @import("std");
const builtin = @import("builtin");

/// The names and numbers of the ABI.
pub const abi = @import("abi.zig");
/// A host for tests on the machine at hand.
pub const testing = @import("testing.zig");

const settings = @import("settings.zig");
const manifest_zig = @import("manifest.zig");

pub const Manifest = manifest_zig.Manifest;
pub const Hook = manifest_zig.Hook;
pub const Plugin = @import("plugin.zig").Plugin;
pub const decodeSettings = settings.decode;

/// The functions of the host as the ABI has them: in a test, those of `testing`.
pub const host = if (builtin.cpu.arch.isWasm()) abi.host else testing.host;

/// What a module's `panic` can be, so that a failed safety check is a trap, which denies, and
/// brings no code for messages that nobody would see.
pub const panic = std.debug.no_panic;

/// The kind of a value.
pub const Kind = enum(i32) {
    absent = abi.KIND_ABSENT,
    null = abi.KIND_NULL,
    false = abi.KIND_FALSE,
    true = abi.KIND_TRUE,
    number = abi.KIND_NUMBER,
    string = abi.KIND_STRING,
    array = abi.KIND_ARRAY,
    object = abi.KIND_OBJECT,
    _,
};

/// The level of a log line.
pub const Level = enum(i32) {
    debug = abi.LEVEL_DEBUG,
    info = abi.LEVEL_INFO,
    warn = abi.LEVEL_WARN,
    err = abi.LEVEL_ERROR,
    _,
};

/// A part of the ABI that a host may lack.
pub const Feature = enum(i32) {
    strings = abi.FEATURE_STRINGS,
    patch = abi.FEATURE_PATCH,
    view = abi.FEATURE_VIEW,
    list = abi.FEATURE_LIST,
    match = abi.FEATURE_MATCH,
    lookup = abi.FEATURE_LOOKUP,
    _,
};

/// Whether the host has a feature.
pub fn has(feature: Feature) bool {
    return host.feature(@backingInt(feature)) == 1;
}

/// Why an edit was not made: there is no such place, or what is around it is not of the type that
/// its path needs. A hook may return it, which ends the call as a failure.
pub const EditError = error{ NoSuchPlace, WrongType };

/// Why a plugin refuses its settings, or to serve at all.
pub const Refusal = struct {
    code: []const u8 = "settings_refused",
    text: []const u8,
    /// Where in the settings the mistake is, as a JSON Pointer.
    path: ?[]const u8 = null,
};

/// A place in a text that the host's detectors have found.
pub const Match = struct { start: u32, end: u32, rule: i32 };

/// Goes over matches, in the order of the text.
pub const Matches = struct {
    bytes: []const u8,

    pub fn next(m: *Matches) ?Match {
        if (m.bytes.len < abi.MATCH_BYTES) return null;
        defer m.bytes = m.bytes[abi.MATCH_BYTES..];
        return .{ .start = word(m.bytes, 0), .end = word(m.bytes, 4), .rule = @bitCast(word(m.bytes, 8)) };
    }
};

/// One value of a view. text is a string's text, anything else as JSON, null if it is absent;
/// path is its index in the manifest's sorted list.
pub const Value = struct { kind: Kind, path: usize, text: ?[]const u8 };

/// Values as the host has laid them out.
pub const View = struct {
    bytes: []const u8,
    len: usize,

    pub fn at(v: View, i: usize) Value {
        const e = v.bytes[abi.VIEW_HEADER_BYTES + abi.VIEW_ENTRY_BYTES * i ..];
        const kind: Kind = @fromBackingInt(@as(i32, @bitCast(word(e, 0))));
        return .{ .kind = kind, .path = word(e, 12), .text = if (kind == .absent) null else v.bytes[word(e, 4)..][0..word(e, 8)] };
    }
};

pub fn word(bytes: []const u8, at: usize) u32 {
    return std.mem.readInt(u32, bytes[at..][0..4], .little);
}

test {
    _ = @import("path.zig");
    _ = manifest_zig;
    _ = settings;
    _ = @import("testing/State.zig");
}
