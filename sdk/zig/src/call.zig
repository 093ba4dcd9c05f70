//! A call: what a hook sees of one message, and what it can do about it.

const std = @import("std");
const builtin = @import("builtin");
const abi = @import("abi.zig");
const sallyport = @import("sallyport.zig");
const path = @import("path.zig");
const indexOf = @import("plugin.zig").indexOf;
const isWord = @import("manifest.zig").isWord;

const host = sallyport.host;
const on_wasm = builtin.cpu.arch.isWasm();
const EditError = sallyport.EditError;

/// A call of a hook of a plugin. Texts that it gives are good until the hook returns.
pub fn Call(comptime P: type, comptime hook: sallyport.Hook) type {
    const m = P.manifest;
    const reads = m.reads.of(hook);
    return struct {
        const Self = @This();
        const Verdict = P.Verdict;

        memory: std.heap.FixedBufferAllocator,

        pub fn begin() Self {
            return .{ .memory = .init(&P.memory) };
        }

        /// Memory of the call, for whatever takes an allocator. It need not be freed.
        pub fn allocator(call: *Self) std.mem.Allocator {
            return call.memory.allocator();
        }

        /// How much of the call's memory is used; `forget` gives back what was used since.
        pub fn mark(call: *const Self) usize {
            return call.memory.end_index;
        }
        pub fn forget(call: *Self, since: usize) void {
            call.memory.end_index = since;
        }

        fn room(call: *Self) []u8 {
            return call.memory.buffer[call.memory.end_index..];
        }

        /// What the host has written into the room. What doesn't fit ends the call.
        fn took(call: *Self, n: i32) ?[]const u8 {
            if (n < 0) return null;
            const len: usize = @intCast(n);
            const all = call.room();
            if (len > all.len) {
                _ = call.fail("the call's memory is full: set call_bytes in the manifest");
                return null;
            }
            call.memory.end_index += len;
            return all[0..len];
        }

        // ---- the message ----

        /// The id of a field that the hook reads.
        pub fn id(comptime field: []const u8) i32 {
            return comptime indexOf(field, reads, "the manifest's reads of " ++ @tagName(hook));
        }

        /// The text of a field, null if it is absent or not a string.
        pub fn text(call: *Self, comptime field: []const u8) ?[]const u8 {
            const never_else = comptime id(field) >= 0 and path.nameOf(field).?.type == .string;
            if (!never_else and call.kind(field) != .string) return null;
            return call.value(field);
        }

        /// A field of any kind: a string's text, anything else as JSON; null if it is absent.
        pub fn value(call: *Self, comptime field: []const u8) ?[]const u8 {
            return call.valueAt(id(field));
        }
        pub fn valueAt(call: *Self, field: i32) ?[]const u8 {
            const buf = call.room();
            return call.took(host.field(field, buf.ptr, buf.len));
        }

        /// The number of a field, null if it is none.
        pub fn number(_: *Self, comptime field: []const u8) ?f64 {
            const n = host.field_num(id(field));
            return if (n == n) n else null;
        }

        /// Whether a field is true or false, null if it is neither.
        pub fn boolean(call: *Self, comptime field: []const u8) ?bool {
            return switch (call.kind(field)) {
                .true => true,
                .false => false,
                else => null,
            };
        }

        pub fn kind(_: *Self, comptime field: []const u8) sallyport.Kind {
            return @fromBackingInt(host.field_kind(id(field)));
        }

        /// All fields in one call of the host, in the order of the sorted reads.
        pub fn fields(call: *Self) sallyport.View {
            return call.view(abi.VIEW_FIELDS);
        }
        /// All strings in one call of the host.
        pub fn allStrings(call: *Self) sallyport.View {
            return call.view(abi.VIEW_STRINGS);
        }

        fn view(call: *Self, what: i32) sallyport.View {
            const buf = call.room();
            const b = call.took(host.view(what, buf.ptr, buf.len)) orelse return .{ .bytes = "", .len = 0 };
            return .{ .bytes = b, .len = sallyport.word(b, 0) };
        }

        // ---- strings ----

        /// The strings of the message at the manifest's strings: `while (it.next()) |s|`.
        pub fn strings(call: *Self) Strings {
            return .{ .call = call, .count = host.str_count() };
        }

        pub const Strings = struct {
            call: *Self,
            count: i32,
            at: i32 = 0,

            pub fn next(s: *Strings) ?String {
                if (s.at >= s.count) return null;
                defer s.at += 1;
                return .{ .call = s.call, .index = s.at };
            }
        };

        /// One string of the message.
        pub const String = struct {
            call: *Self,
            index: i32,

            pub fn text(s: String) ?[]const u8 {
                const buf = s.call.room();
                return s.call.took(host.str(s.index, buf.ptr, buf.len));
            }
            /// Its field path, with indexes, such as args.list[3].text.
            pub fn path(s: String) ?[]const u8 {
                const buf = s.call.room();
                return s.call.took(host.str_path(s.index, buf.ptr, buf.len));
            }
            /// Gives it another text, which must be UTF-8. Return .mutate after it.
            pub fn replace(s: String, with: []const u8) EditError!void {
                return edited(host.str_replace(s.index, with.ptr, with.len));
            }
            /// What detectors of the host find in it.
            pub fn match(s: String, comptime capability: []const u8) ?sallyport.Matches {
                return s.call.matchAt(P.capabilityId(capability), -1 - s.index);
            }
        };

        // ---- lists ----

        /// The items of the list: `while (it.next()) |item|`. Of the hook list only.
        pub fn items(call: *Self) Items {
            if (hook != .list) @compileError("items are in the hook list only");
            return .{ .call = call, .count = host.item_count() };
        }

        pub const Items = struct {
            call: *Self,
            count: i32,
            at: i32 = 0,

            pub fn next(it: *Items) ?Item {
                if (it.at >= it.count) return null;
                defer it.at += 1;
                return .{ .call = it.call, .index = it.at };
            }
        };

        /// One item of a list.
        pub const Item = struct {
            call: *Self,
            index: i32,

            /// A field of the item, which begins with items[*]: a string's text, anything else as
            /// JSON.
            pub fn value(item: Item, comptime field: []const u8) ?[]const u8 {
                if (comptime !std.mem.startsWith(u8, field, "items[*]")) @compileError("a field of an item begins with items[*]");
                const buf = item.call.room();
                return item.call.took(host.item(item.index, id(field), buf.ptr, buf.len));
            }
            /// Leaves it out. Return .mutate after it.
            pub fn drop(item: Item) void {
                needsMutate("drop");
                _ = host.item_drop(item.index);
            }
        };

        // ---- edits ----

        /// Gives a place a value, which is JSON. Return .mutate after it.
        pub fn set(call: *Self, comptime place: []const u8, json: []const u8) EditError!void {
            comptime writable(place);
            return call.setAt(place, json);
        }
        /// Gives a place a text, as a string.
        pub fn setText(call: *Self, comptime place: []const u8, new: []const u8) EditError!void {
            comptime writable(place);
            return call.setAt(place, call.quote(new) orelse return error.NoSuchPlace);
        }
        /// Takes out a member or an element.
        pub fn remove(call: *Self, comptime place: []const u8) EditError!void {
            comptime writable(place);
            return call.removeAt(place);
        }

        /// The same with a path that is known at run time only.
        pub fn setAt(_: *Self, place: []const u8, json: []const u8) EditError!void {
            needsMutate("set");
            return edited(host.patch(abi.PATCH_SET, place.ptr, place.len, json.ptr, json.len));
        }
        pub fn removeAt(_: *Self, place: []const u8) EditError!void {
            needsMutate("remove");
            return edited(host.patch(abi.PATCH_REMOVE, place.ptr, place.len, place.ptr, 0));
        }

        /// A text as JSON, in the call's memory.
        pub fn quote(call: *Self, plain: []const u8) ?[]const u8 {
            const out = call.room();
            var n: usize = 0;
            var escaped: [6]u8 = "\\u0000".*;
            for (0..plain.len + 2) |i| {
                const b = if (i == 0 or i > plain.len) '"' else plain[i - 1];
                const inside = i > 0 and i <= plain.len;
                var piece: []const u8 = &.{b};
                if (inside and (b == '"' or b == '\\')) {
                    escaped[1] = b;
                    piece = escaped[0..2];
                } else if (b < 0x20) {
                    escaped = "\\u0000".*;
                    escaped[4] = '0' + (b >> 4);
                    escaped[5] = "0123456789abcdef"[b & 15];
                    piece = &escaped;
                }
                if (n + piece.len > out.len) return call.took(std.math.maxInt(i32));
                @memcpy(out[n..][0..piece.len], piece);
                n += piece.len;
            }
            return call.took(@intCast(n));
        }

        fn needsMutate(comptime what: []const u8) void {
            if (!comptime m.declares(.mutate)) @compileError(what ++ " needs .mutate in the manifest's verdicts");
        }

        fn writable(comptime place: []const u8) void {
            needsMutate("an edit");
            @setEvalBranchQuota(1_000_000);
            if (std.mem.find(u8, place, "[*]") != null) @compileError("\"" ++ place ++ "\" is more than one place");
            for (m.writes) |w| if (path.covers(w, place)) return;
            _ = indexOf(place, m.writes, "or below the manifest's writes");
        }

        fn edited(code: i32) EditError!void {
            return switch (code) {
                abi.CODE_OK => {},
                abi.CODE_WRONG_TYPE => error.WrongType,
                else => error.NoSuchPlace,
            };
        }

        // ---- detectors and tables ----

        /// What detectors of the host find in a field; null if it is absent or not a string.
        pub fn match(call: *Self, comptime capability: []const u8, comptime field: []const u8) ?sallyport.Matches {
            return call.matchAt(P.capabilityId(capability), id(field));
        }
        pub fn matchAt(call: *Self, capability: i32, what: i32) ?sallyport.Matches {
            const buf = call.room();
            return .{ .bytes = call.took(host.match(capability, what, buf.ptr, buf.len)) orelse return null };
        }
        /// The name of a detector.
        pub fn ruleName(call: *Self, comptime capability: []const u8, rule: i32) ?[]const u8 {
            return call.ruleNameAt(P.capabilityId(capability), rule);
        }
        pub fn ruleNameAt(call: *Self, capability: i32, rule: i32) ?[]const u8 {
            const buf = call.room();
            return call.took(host.match_rule(capability, rule, buf.ptr, buf.len));
        }
        /// What a table of the host has for a key: a string's text, anything else as JSON.
        pub fn lookup(call: *Self, comptime capability: []const u8, key: []const u8) ?[]const u8 {
            return call.lookupAt(P.capabilityId(capability), key);
        }
        pub fn lookupAt(call: *Self, capability: i32, key: []const u8) ?[]const u8 {
            const buf = call.room();
            return call.took(host.lookup(capability, key.ptr, key.len, buf.ptr, buf.len));
        }

        // ---- the decision ----

        /// The verdict deny, for a reason: a code for machines, a text for people.
        pub fn deny(_: *Self, comptime code: []const u8, why: []const u8) Verdict {
            if (!comptime m.declares(.deny)) @compileError("deny needs .deny in the manifest's verdicts");
            comptime spelled(code, abi.LIMIT_REASON_CODE_BYTES);
            if (comptime !std.ascii.isLower(code[0])) @compileError("a code begins with a letter");
            host.reason(code.ptr, code.len, why.ptr, why.len);
            return @fromBackingInt(abi.VERDICT_DENY);
        }

        /// The verdict approve: a human must agree to this.
        pub fn approve(_: *Self, to: []const u8) Verdict {
            if (!comptime m.declares(.approve)) @compileError("approve needs .approve in the manifest's verdicts");
            host.approve(to.ptr, to.len);
            return @fromBackingInt(abi.VERDICT_APPROVE);
        }

        /// Ends the call as a failure, which denies. In a test it returns, so return what it gives.
        pub fn fail(_: *Self, why: []const u8) Verdict {
            if (on_wasm) host.fail(why.ptr, why.len) else {
                host.fail(why.ptr, why.len);
                return .abstain;
            }
        }

        /// Puts a text into the decision's record.
        pub fn note(_: *Self, comptime key: []const u8, what: []const u8) void {
            comptime spelled(key, abi.LIMIT_KEY_BYTES);
            host.note(key.ptr, key.len, what.ptr, what.len);
        }

        /// Marks the message.
        pub fn label(_: *Self, comptime name: []const u8) void {
            comptime spelled(name, abi.LIMIT_KEY_BYTES);
            host.label(name.ptr, name.len);
        }

        /// Writes a line to the operator's log.
        pub fn log(_: *Self, level: sallyport.Level, line: []const u8) void {
            P.log(level, line);
        }

        /// The time of the decision in milliseconds since 1970.
        pub fn now(_: *Self) i64 {
            if (m.deterministic) @compileError("a deterministic plugin can't ask for the time");
            return host.now_ms();
        }

        fn spelled(comptime key: []const u8, comptime most: usize) void {
            if (key.len > most or !isWord(key)) @compileError("\"" ++ key ++ "\" is not of a-z, 0-9, '_', '.', '-'");
        }
    };
}
