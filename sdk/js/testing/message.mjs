// What a hook can see of a message.
import { KIND, NAMES } from "./abi.mjs";
import { Node, read } from "./json.mjs";

/** A message as a test gives it, with what it leaves out filled in. */
export class Message {
  constructor(hook, m) {
    this.hook = hook;
    this.method = m.method ?? (hook === "list" ? "tools/list" : "tools/call");
    this.tool = m.tool ?? (this.method === "tools/call" ? "example" : "");
    this.server = m.server ?? "example";
    this.prompt = m.prompt ?? "";
    this.resource = m.resource ?? "";
    this.params = read(m.params) ?? this.paramsOf(m);
    this.result = read(m.result);
    this.items = read(m.items);
    this.annotations = read(m.annotations);
    this.principal = { id: "", type: "anonymous", issuer: "", groups: [], roles: [], scopes: [], claims: {}, apiKey: "", ...m.principal };
    this.source = m.source ?? "192.0.2.1";
    this.headers = m.headers ?? {};
    this.time = m.time ?? 0;
  }

  paramsOf(m) {
    if (!this.tool && m.args === undefined) return undefined;
    const out = new Node(KIND.object);
    out.add("name", text(this.tool));
    if (m.args !== undefined) out.add("arguments", read(m.args));
    return out;
  }

  /** Whether a name is a part of what the hook judges. */
  judges(name) {
    if (this.hook === "response" && name === "params" && this.result) return false;
    return NAMES[name].edit.includes(this.hook);
  }

  /** What is edited. */
  get judged() {
    if (this.hook === "list") return this.items;
    return this.hook === "response" && this.result ? this.result : this.params;
  }

  /** What a name stands for. */
  root(name) {
    const p = this.principal;
    switch (name) {
      case "apiKey.claims": return p.type === "api_key" ? object(read(p.claims)) : undefined;
      case "apiKey.id": return p.type === "api_key" ? text(p.apiKey) : undefined;
      case "args": return this.tool ? object(this.params?.get("arguments")) : undefined;
      case "items": return this.items;
      case "jwt": return p.type === "jwt" ? object(read(p.claims)) : object();
      case "mcp.method": return text(this.method);
      case "mcp.prompt.name": return some(this.prompt);
      case "mcp.resource.uri": return some(this.resource);
      case "mcp.result": return this.result;
      case "mcp.tool.annotations": return this.tool ? this.annotations : undefined;
      case "mcp.tool.name": return some(this.tool);
      case "mcp.tool.result": return this.method === "tools/call" ? this.result : undefined;
      case "mcp.tool.target": return this.tool ? text(this.server) : undefined;
      case "params": return object(this.params);
      case "principal.claims": return object(read(p.claims));
      case "principal.groups": return read(p.groups);
      case "principal.id": return text(p.id);
      case "principal.issuer": return text(p.issuer);
      case "principal.roles": return read(p.roles);
      case "principal.scopes": return read(p.scopes);
      case "principal.type": return text(p.type);
      case "request.mcp.backend": return text(this.server);
      case "source.address": return text(this.source);
      default: throw new Error(`no value for ${name}`);
    }
  }
}

function text(s) {
  return new Node(KIND.string, s);
}

function some(s) {
  return s === "" ? undefined : text(s);
}

/** An object, {} where there is none. */
function object(node) {
  return node ?? new Node(KIND.object);
}
