// error: "Bad key" is not of a-z, 0-9, '_', '.', '-'
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.deny},
    .capabilities = &.{"lookup:tenants"},
});

comptime {
    plugin.serve(.{ .request = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    call.note("Bad key", "");
    return .pass;
}
