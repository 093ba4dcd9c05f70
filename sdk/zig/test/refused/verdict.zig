// error: deny needs .deny in the manifest's verdicts
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.approve},
    .capabilities = &.{"lookup:tenants"},
});

comptime {
    plugin.serve(.{ .request = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    if (call.text("args.path") == null) return call.deny("no_path", "");
    return .pass;
}
