// error: "args.pat" is not in or below the manifest's writes; did you mean "args.path"?
const sallyport = @import("sallyport");

const plugin = sallyport.Plugin(.{
    .name = "refused",
    .version = "1.0.0",
    .reads = .{ .request = &.{ "args.path", "mcp.tool.name" } },
    .verdicts = &.{.mutate},
    .capabilities = &.{"lookup:tenants"},
    .writes = &.{"args.path"},
});

comptime {
    plugin.serve(.{ .request = onRequest });
}

fn onRequest(call: *plugin.Request) !plugin.Verdict {
    try call.set("args.pat", "1");
    return .pass;
}
