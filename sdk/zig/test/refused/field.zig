// error: "args.pth" is not in the manifest's reads of request; did you mean "args.path"?
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
    _ = call.text("args.pth");
    return .pass;
}
