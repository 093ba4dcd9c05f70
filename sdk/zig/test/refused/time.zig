// error: a deterministic plugin can't ask for the time
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.deny},
    .capabilities = &.{"lookup:tenants"},
    .deterministic = true,
});

comptime {
    plugin.serve(.{ .request = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    _ = call.now();
    return .pass;
}
