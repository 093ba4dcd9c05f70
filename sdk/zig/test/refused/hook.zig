// error: "reqest" is not in the functions that a plugin can have; did you mean "request"?
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.deny},
    .capabilities = &.{"lookup:tenants"},
});

comptime {
    plugin.serve(.{ .reqest = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    _ = call;
    return .pass;
}
