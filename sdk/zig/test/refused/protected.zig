// error: manifest: writes: "params.name": it shares a place with one that can't be edited
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.mutate},
    .capabilities = &.{"lookup:tenants"},
    .writes = &.{"params.name"},
});

comptime {
    plugin.serve(.{ .request = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    _ = call;
    return .pass;
}
