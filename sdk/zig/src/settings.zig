//! Settings as a value of a plugin's own type. The host has checked them against the schema and
//! gives them without white space.

const std = @import("std");
const Allocator = std.mem.Allocator;

pub const Error = error{ OutOfMemory, NotOfThatForm };

/// Reads JSON without white space into a struct: bools, integers, enums by their names, optionals,
/// strings ([]const u8), slices and structs. A member that is left out has the field's default; a
/// member that there is no field for is passed over. What is read lies in memory of gpa.
pub fn decode(comptime T: type, gpa: Allocator, text: []const u8) Error!T {
    const copy = try gpa.dupe(u8, text);
    var r: Reader = .{ .text = copy, .gpa = gpa };
    const out = try r.read(T);
    if (r.at != r.text.len) return error.NotOfThatForm;
    return out;
}

const Reader = struct {
    text: []u8,
    at: usize = 0,
    gpa: Allocator,

    fn peek(r: *Reader) u8 {
        return if (r.at < r.text.len) r.text[r.at] else 0;
    }

    fn accept(r: *Reader, token: []const u8) bool {
        if (!std.mem.startsWith(u8, r.text[r.at..], token)) return false;
        r.at += token.len;
        return true;
    }

    fn expect(r: *Reader, token: []const u8) Error!void {
        if (!r.accept(token)) return error.NotOfThatForm;
    }

    fn read(r: *Reader, comptime T: type) Error!T {
        switch (@typeInfo(T)) {
            .bool => {
                if (r.accept("true")) return true;
                try r.expect("false");
                return false;
            },
            .int => {
                const from = r.at;
                while (r.peek() == '-' or std.ascii.isDigit(r.peek())) r.at += 1;
                return std.fmt.parseInt(T, r.text[from..r.at], 10) catch error.NotOfThatForm;
            },
            .optional => |o| return if (r.accept("null")) null else try r.read(o.child),
            .@"enum" => return std.meta.stringToEnum(T, try r.string()) orelse error.NotOfThatForm,
            .pointer => |p| {
                if (p.size != .slice) @compileError("settings can't have a " ++ @typeName(T));
                return if (p.child == u8) try r.string() else try r.slice(p.child);
            },
            .@"struct" => return r.object(T),
            else => @compileError("settings can't have a " ++ @typeName(T)),
        }
    }

    fn slice(r: *Reader, comptime E: type) Error![]const E {
        try r.expect("[");
        // Counting first costs no memory that would be left behind.
        const from = r.at;
        var n: usize = 0;
        while (r.peek() != ']') : (n += 1) {
            if (n > 0) try r.expect(",");
            try r.skip();
        }
        r.at = from;
        const out = try r.gpa.alloc(E, n);
        for (out, 0..) |*e, i| {
            if (i > 0) try r.expect(",");
            e.* = try r.read(E);
        }
        try r.expect("]");
        return out;
    }

    fn object(r: *Reader, comptime T: type) Error!T {
        const info = @typeInfo(T).@"struct";
        var out: T = undefined;
        var seen: [info.field_names.len]bool = @splat(false);
        try r.expect("{");
        var first = true;
        while (!r.accept("}")) : (first = false) {
            if (!first) try r.expect(",");
            const key = try r.string();
            try r.expect(":");
            var found = false;
            inline for (info.field_names, info.field_types, 0..) |name, F, i| {
                if (!found and std.mem.eql(u8, key, name)) {
                    @field(out, name) = try r.read(F);
                    seen[i] = true;
                    found = true;
                }
            }
            if (!found) try r.skip();
        }
        inline for (info.field_names, info.field_types, info.field_attrs, 0..) |name, F, attrs, i| {
            if (!seen[i]) @field(out, name) = attrs.defaultValue(F) orelse return error.NotOfThatForm;
        }
        return out;
    }

    /// Passes over a value.
    fn skip(r: *Reader) Error!void {
        var depth: usize = 0;
        while (r.at < r.text.len) {
            switch (r.peek()) {
                '"' => {
                    r.at += 1;
                    while (r.peek() != '"') : (r.at += 1) {
                        if (r.peek() == '\\') r.at += 1;
                        if (r.at >= r.text.len) return error.NotOfThatForm;
                    }
                    r.at += 1;
                },
                '{', '[' => {
                    depth += 1;
                    r.at += 1;
                },
                '}', ']' => {
                    if (depth == 0) return;
                    depth -= 1;
                    r.at += 1;
                },
                ',' => {
                    if (depth == 0) return;
                    r.at += 1;
                },
                else => r.at += 1,
            }
        }
        return error.NotOfThatForm;
    }

    /// Decodes a string in its own place: what an escape stands for is never longer than it.
    fn string(r: *Reader) Error![]u8 {
        try r.expect("\"");
        const from = r.at;
        var to = from;
        while (r.peek() != '"') {
            if (r.at >= r.text.len) return error.NotOfThatForm;
            if (r.peek() != '\\') {
                r.text[to] = r.text[r.at];
                r.at += 1;
                to += 1;
                continue;
            }
            r.at += 1;
            const escaped = r.peek();
            r.at += 1;
            if (escaped == 'u') {
                var c: u21 = try r.hex();
                if (c >= 0xd800 and c < 0xdc00) {
                    try r.expect("\\u");
                    c = 0x10000 + ((c - 0xd800) << 10) + ((try r.hex()) -% 0xdc00);
                }
                to += std.unicode.utf8Encode(c, r.text[to..]) catch return error.NotOfThatForm;
                continue;
            }
            r.text[to] = switch (escaped) {
                '"', '\\', '/' => escaped,
                'b' => 8,
                't' => 9,
                'n' => 10,
                'f' => 12,
                'r' => 13,
                else => return error.NotOfThatForm,
            };
            to += 1;
        }
        r.at += 1;
        return r.text[from..to];
    }

    fn hex(r: *Reader) Error!u21 {
        if (r.at + 4 > r.text.len) return error.NotOfThatForm;
        var out: u21 = 0;
        for (r.text[r.at..][0..4]) |b| out = out << 4 | switch (b) {
            '0'...'9' => b - '0',
            'a'...'f' => b - 'a' + 10,
            'A'...'F' => b - 'A' + 10,
            else => return error.NotOfThatForm,
        };
        r.at += 4;
        return out;
    }
};

const Example = struct {
    mode: enum { refuse, clean } = .refuse,
    roots: []const []const u8,
    depth: ?u8 = null,
    rules: []const struct { name: []const u8, on: bool = true } = &.{},
};

test "settings become a value" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const gpa = arena.allocator();
    var text =
        \\{"other":[{"a":"}\""},1],"roots":["/srv","a\"\\\n\u00e9\ud83d\ude00"],"mode":"clean","depth":7,"rules":[{"name":"x","on":false},{"name":"y"}]}
    .*;
    const s = try decode(Example, gpa, &text);
    try std.testing.expectEqual(.clean, s.mode);
    try std.testing.expectEqual(7, s.depth.?);
    try std.testing.expectEqualStrings("a\"\\\n\xc3\xa9\xf0\x9f\x98\x80", s.roots[1]);
    try std.testing.expectEqual(2, s.rules.len);
    try std.testing.expect(!s.rules[0].on and s.rules[1].on);
}

test "settings of another form are refused" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    for ([_][]const u8{
        "{}",                          "{\"roots\":1}",   "{\"roots\":[\"a]}",        "{\"roots\":[]",           "{\"roots\":[],\"mode\":\"other\"}", "{\"roots\":[],\"depth\":256}",
        "{\"roots\":[],\"depth\":-1}", "{\"roots\":[]}x", "{\"roots\":[],\"x\":\"\\", "{\"roots\":[\"\\u12\"]}", "{\"roots\":[\"\\ud800\"]}",         "",
    }) |text| {
        errdefer std.debug.print("{s}\n", .{text});
        const copy = try arena.allocator().dupe(u8, text);
        try std.testing.expectError(error.NotOfThatForm, decode(Example, arena.allocator(), copy));
    }
}
