//! What is special about names of files on Windows.

const std = @import("std");
const mem = std.mem;

/// A name as Windows takes it.
pub fn trimmed(name: []const u8) []const u8 {
    return mem.trimEnd(u8, name, " .");
}

pub fn isDevice(name: []const u8) bool {
    const end = mem.findAny(u8, name, ".:") orelse name.len;
    const word = mem.trimEnd(u8, name[0..end], " ");
    if (word.len < 3 or word.len > 7) return false;
    for ([_][]const u8{ "con", "prn", "aux", "nul", "conin$", "conout$", "clock$" }) |d| if (std.ascii.eqlIgnoreCase(word, d)) return true;
    if (word.len < 4) return false;
    if (!std.ascii.eqlIgnoreCase(word[0..3], "com") and !std.ascii.eqlIgnoreCase(word[0..3], "lpt")) return false;
    // Superscript digits count too.
    for ([_][]const u8{ "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "\u{b9}", "\u{b2}", "\u{b3}" }) |d| if (mem.eql(u8, word[3..], d)) return true;
    return false;
}

/// Whether a name is of the form of those that DOS programs see, such as GIT~1 for .git.
pub fn isShort(name: []const u8) bool {
    const dot = mem.findScalar(u8, name, '.') orelse name.len;
    if (name.len > dot + 4) return false;
    const at = mem.findScalar(u8, name[0..dot], '~') orelse return false;
    if (at == 0 or dot > 8 or at + 1 == dot) return false;
    for (name[at + 1 .. dot]) |b| if (!std.ascii.isDigit(b)) return false;
    return true;
}
