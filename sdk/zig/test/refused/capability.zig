// error: "lookup:tenant" is not in the manifest's capabilities; did you mean "lookup:tenants"?
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
    _ = call.lookup("lookup:tenant", "x");
    return .pass;
}
