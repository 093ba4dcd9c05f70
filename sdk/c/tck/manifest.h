/* The manifest that hostapi/tck needs of its plugin. */
SP_MANIFEST({
  "abi": "sallyport/1",
  "name": "tck",
  "version": "1.0.0",
  "hooks": ["request", "response", "list"],
  "reads": {
    "request": [
      "apiKey.claims.team",
      "apiKey.id",
      "args",
      "args.flag",
      "args.list[1]",
      "args.number",
      "args.object",
      "args.text",
      "args[\"odd key\"]",
      "jwt",
      "jwt.sub",
      "mcp.method",
      "mcp.prompt.name",
      "mcp.resource.uri",
      "mcp.tool.annotations",
      "mcp.tool.name",
      "mcp.tool.target",
      "params._meta.tck.do",
      "params._meta.tck.id",
      "params._meta.tck.index",
      "params._meta.tck.json",
      "params._meta.tck.json2",
      "params._meta.tck.key",
      "params._meta.tck.level",
      "params._meta.tck.n",
      "params._meta.tck.op",
      "params._meta.tck.op2",
      "params._meta.tck.path",
      "params._meta.tck.path2",
      "params._meta.tck.text",
      "params._meta.tck.verdict",
      "params.name",
      "principal.claims",
      "principal.groups",
      "principal.id",
      "principal.issuer",
      "principal.roles",
      "principal.scopes",
      "principal.type",
      "request.headers[\"x-tenant\"]",
      "request.mcp.backend",
      "source.address"
    ],
    "response": [
      "args.text",
      "mcp.method",
      "mcp.result",
      "mcp.result.isError",
      "mcp.tool.name",
      "mcp.tool.result",
      "params._meta.tck.do",
      "params._meta.tck.id",
      "params._meta.tck.index",
      "params._meta.tck.json",
      "params._meta.tck.json2",
      "params._meta.tck.key",
      "params._meta.tck.level",
      "params._meta.tck.n",
      "params._meta.tck.op",
      "params._meta.tck.op2",
      "params._meta.tck.path",
      "params._meta.tck.path2",
      "params._meta.tck.text",
      "params._meta.tck.verdict",
      "params.data"
    ],
    "list": [
      "items",
      "items[*].annotations.hint",
      "items[*].name",
      "mcp.method",
      "params._meta.tck.do",
      "params._meta.tck.id",
      "params._meta.tck.index",
      "params._meta.tck.json",
      "params._meta.tck.json2",
      "params._meta.tck.key",
      "params._meta.tck.level",
      "params._meta.tck.n",
      "params._meta.tck.op",
      "params._meta.tck.op2",
      "params._meta.tck.path",
      "params._meta.tck.path2",
      "params._meta.tck.text",
      "params._meta.tck.verdict",
      "principal.id"
    ]
  },
  "strings": {
    "request": ["args.list", "args.messages[*].text", "args.readonly", "params.messages[*].content"],
    "response": ["mcp.result.content[*].text", "mcp.result.structuredContent", "params.data"],
    "list": ["items[*].description"]
  },
  "writes": [
    "args.list",
    "args.messages[*].text",
    "args.object",
    "items[*].description",
    "mcp.result.content[*].text",
    "mcp.result.structuredContent",
    "params.data",
    "params.messages[*].content"
  ],
  "verdicts": ["deny", "mutate", "approve"],
  "capabilities": ["lookup:tenants", "lookup:withheld", "match:pii"],
  "features": {
    "optional": ["newer", "strings", "view"]
  },
  "settings_schema": {
    "type": "object",
    "properties": {
      "mode": {
        "type": "string"
      }
    },
    "additionalProperties": false
  },
  "limits": {
    "pages": 256,
    "fuel": 50000000,
    "deadline_ms": 2000
  }
})
