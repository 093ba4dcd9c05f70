//! path-guard keeps arguments that are paths within directories. README.md says how.

const std = @import("std");
const sallyport = @import("sallyport");
const guard = @import("guard.zig");
const text = @import("text.zig");
const url = @import("url.zig");

// A failed check of bounds is a trap, which denies.
pub const panic = sallyport.panic;

pub const plugin = sallyport.Plugin(.{
    .name = "path-guard",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "mcp.resource.uri", "mcp.tool.name" } },
    .strings = .{ .request = &.{"args"} },
    .writes = &.{"args"},
    .verdicts = &.{ .deny, .mutate },
    .settings_schema = @embedFile("settings.json"),
    .deterministic = true,
    .limits = .{ .pages = 6, .fuel = 50_000_000, .deadline_ms = 20 },
    .meta = &.{ .{ "description", "Keeps arguments that are paths within directories." }, .{ "license", "Apache-2.0" } },
    .call_bytes = 192 * 1024,
    .settings_bytes = 64 * 1024,
});

pub const functions = .{ .request = onRequest, .validate = validate, .configure = configure, .selftest = selftest };

comptime {
    plugin.serve(functions);
}

// ---- settings ----

const Settings = struct {
    roots: []const []const u8,
    arguments: []const []const u8 = &.{ "path", "*_path", "*Path", "paths", "file", "filename", "files", "dir", "directory", "cwd", "source", "destination" },
    tools: []const []const u8 = &.{"*"},
    resources: bool = true,
    mode: enum { refuse, clean } = .refuse,
    base: ?[]const u8 = null,
    platform: guard.Platform = .any,
    relative: guard.Choice = .allow,
    dotdot: guard.Choice = .allow,
    expansion: guard.Choice = .refuse,
    urls: guard.Choice = .allow,
    devices: guard.Choice = .refuse,
    streams: guard.Choice = .refuse,
    short_names: guard.Choice = .refuse,
    hidden: guard.Choice = .allow,
    ignore_case: bool = false,
    names: []const []const u8 = &(secrets),
    except: []const []const u8 = &.{ ".env.example", ".env.sample", ".env.template", "*.pub" },
    extensions: ?[]const []const u8 = null,
    denied_extensions: []const []const u8 = &.{},
};

/// Where credentials lie, and what runs when a repository is used.
const secrets = [_][]const u8{
    ".ssh",      ".gnupg",       ".aws",       ".azure",  ".kube",     ".docker",     ".git",            ".hg",     ".svn",
    ".env",      ".env.*",       ".netrc",     "_netrc",  ".npmrc",    ".pypirc",     ".pgpass",         ".my.cnf", ".git-credentials",
    ".htpasswd", ".vault-token", "id_rsa*",    "id_dsa*", "id_ecdsa*", "id_ed25519*", "authorized_keys", "*.pem",   "*.pfx",
    "*.p12",     "*.kdbx",       "*.keystore", "*.jks",   "*.ppk",
};

// Filled while the plugin boots. Each call begins with the memory as it was then.
var settings: Settings = undefined;
var rules: guard.Rules = .{};
var memory: [32 * 1024]u8 align(8) = undefined;

fn validate(given: Settings) ?sallyport.Refusal {
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    for (given.roots) |root| if (placeOf(fixed.allocator(), given.platform, root) == null) return .{
        .text = "write absolute paths without . and .., drives only if the platform has them",
        .path = "/roots",
    };
    if (given.base) |base| if (placeOf(fixed.allocator(), given.platform, base) == null) return .{
        .text = "write an absolute path without . and ..",
        .path = "/base",
    };
    return null;
}

/// The place of a root, null if it is none.
fn placeOf(gpa: std.mem.Allocator, platform: guard.Platform, path: []const u8) ?guard.Place {
    const plain: guard.Rules = .{ .platform = platform, .dotdot = .refuse, .urls = .refuse, .expansion = .allow, .short_names = .allow };
    const room = gpa.alloc([]const u8, guard.mostNames(path)) catch return null;
    return switch (guard.resolve(room, &plain, path, if (platform == .posix) .posix else .windows)) {
        .refused => null,
        .place => |p| if (p.absolute) p else null,
    };
}

fn configure(given: Settings) ?sallyport.Refusal {
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    const gpa = fixed.allocator();
    settings = given;
    const roots = gpa.alloc(guard.Place, given.roots.len) catch return too_many;
    for (roots, given.roots) |*place, root| place.* = placeOf(gpa, given.platform, root) orelse return too_many;
    rules = .{
        .roots = roots,
        .base = if (given.base) |b| placeOf(gpa, given.platform, b) orelse return too_many else null,
        .clean = given.mode == .clean,
        .names = lowered(gpa, given.names) orelse return too_many,
        .except = lowered(gpa, given.except) orelse return too_many,
        .extensions = if (given.extensions) |list| lowered(gpa, list) orelse return too_many else null,
        .denied_extensions = lowered(gpa, given.denied_extensions) orelse return too_many,
    };
    inline for (.{ "platform", "relative", "dotdot", "expansion", "urls", "devices", "streams", "short_names", "hidden", "ignore_case" }) |name| {
        @field(rules, name) = @field(given, name);
    }
    return null;
}

const too_many: sallyport.Refusal = .{ .text = "The settings are larger than the plugin's memory for them." };

/// Globs in the form that names are compared in.
fn lowered(gpa: std.mem.Allocator, globs: []const []const u8) ?[]const text.Glob {
    const out = gpa.alloc(text.Glob, globs.len) catch return null;
    for (out, globs) |*o, g| o.* = .of(text.comparable(gpa.alloc(u8, g.len) catch return null, g));
    return out;
}

// ---- the hook ----

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    if (call.text("mcp.resource.uri")) |uri| {
        if (!settings.resources) return .abstain;
        const plain = isFileUrl(uri);
        if (!plain and !try url.hidesFileUrl(call.allocator(), uri)) return .abstain;
        // A URI can't be edited, so it is refused where it would have to be.
        const found = try guard.judge(call.allocator(), &rules, uri);
        if (found == .refused) return deny(call, found.refused, "uri");
        if (!plain) return deny(call, .url, "uri");
        var strict = rules;
        strict.clean = false;
        const again = try guard.judge(call.allocator(), &strict, uri);
        return if (again == .refused) deny(call, again.refused, "uri") else .pass;
    }
    const tool = call.text("mcp.tool.name") orelse return .abstain;
    for (settings.tools) |glob| {
        if (text.match(glob, tool, "")) break;
    } else return .abstain;
    var verdict: plugin.Verdict = .abstain;
    var strings = call.strings();
    while (strings.next()) |s| {
        const before = call.mark();
        defer call.forget(before);
        const argument = s.path() orelse continue;
        if (!isPath(argument)) continue;
        if (verdict == .abstain) verdict = .pass;
        switch (try guard.judge(call.allocator(), &rules, s.text() orelse continue)) {
            .good => {},
            .refused => |why| return deny(call, why, argument),
            .cleaned => |to| {
                try s.replace(to);
                call.note("cleaned", argument);
                verdict = .mutate;
            },
        }
    }
    return verdict;
}

fn isFileUrl(uri: []const u8) bool {
    return uri.len > 5 and std.ascii.eqlIgnoreCase(uri[0..5], "file:");
}

/// Whether an argument is one of those that are paths, or below one.
fn isPath(argument: []const u8) bool {
    // What is below args is written args.name or args["odd name"].
    const name = if (std.mem.startsWith(u8, argument, "args.")) argument["args.".len..] else argument["args".len..];
    for (settings.arguments) |glob| {
        if (text.match(glob, name, ".[")) return true;
        for (name, 0..) |b, i| if (i > 0 and (b == '.' or b == '[') and text.match(glob, name[0..i], ".[")) return true;
    }
    return false;
}

fn deny(call: *plugin.Request, why: guard.Why, argument: []const u8) !plugin.Verdict {
    call.note("argument", argument);
    const message = try std.mem.concat(call.allocator(), u8, &.{ "The path in ", argument, " ", why.explain(), "." });
    return switch (why) {
        inline else => |w| call.deny("path_" ++ @tagName(w), message),
    };
}

fn selftest() ?sallyport.Refusal {
    var room: [8 * 1024]u8 align(8) = undefined;
    const posix: guard.Rules = .{ .roots = &.{.{ .absolute = true, .names = &.{ "srv", "a" } }}, .platform = .posix };
    for ([_]struct { []const u8, bool }{
        .{ "/srv/a/b", true }, .{ "b/../c", true }, .{ "/srv/ab", false }, .{ "../b", false }, .{ "%252e%252e/b", false }, .{ "b%00", false },
    }) |case| {
        var fixed: std.heap.FixedBufferAllocator = .init(&room);
        const found = guard.judge(fixed.allocator(), &posix, case[0]) catch return .{ .code = "selftest", .text = "no memory" };
        if ((found == .good) != case[1]) return .{ .code = "selftest", .text = case[0] };
    }
    return null;
}
