const std = @import("std");

/// Gives a plugin's own build the module `sallyport`.
pub fn build(b: *std.Build) void {
    _ = b.addModule("sallyport", .{ .root_source_file = b.path("src/sallyport.zig") });
}
