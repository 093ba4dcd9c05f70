// tenant-map: the table lookup:tenants says whose tenant a caller is and what is the tenant's. Arguments of
// tools are set, checked or given a prefix accordingly, and what names other tenants is refused or taken out.
import { Call, field, Json, Kind, ListCall, Settings, Verdict } from "@sallyport/assemblyscript";
import { Marks } from "./marks";
import { Judged, Refusal, Rules } from "./rules";
import { Tenants } from "./tenants";

const ARGUMENTS = field("args");
const GIVEN = field("params.arguments");
const METHOD = field("mcp.method");
const RESOURCE = field("mcp.resource.uri");
const TOOL = field("mcp.tool.name");

// The settings, which calls can't change.
let tools: Json = Json.absent;
let resources: string | null = null;
let abstain = false;
let responses = "deny";
let tenants: Tenants = new Tenants(Json.absent);

export function validateSettings(settings: Settings): bool {
  const s = settings.json;
  if (s.get("key").text == "claim" && s.get("claim").text === null) {
    return settings.refuse("/claim", "Say which claim is the key.");
  }
  return true;
}

export function configure(settings: Settings): bool {
  const s = settings.json;
  tools = s.get("tools");
  resources = s.get("resources").text;
  abstain = s.get("others").text == "abstain";
  const r = s.get("responses").text;
  if (r !== null) responses = r;
  tenants = new Tenants(s);
  return true;
}

// ---- requests ----

export function onRequest(call: Call): Verdict {
  const method = call.text(METHOD);
  if (method === null || opens(method)) return Verdict.Abstain;
  if (method == "tools/call") {
    const tool = call.text(TOOL);
    const rules = tool === null ? Json.absent : tools.get(tool);
    if (rules.exists) return judgeTool(call, rules);
    return other(call, "tool_unmapped", "Nothing says what of this tool is the tenant's.");
  }
  const uri = call.text(RESOURCE);
  if (uri !== null) return judgeResource(call, uri);
  if (method == "prompts/get" || method == "completion/complete") {
    return other(call, "prompt_unmapped", "Nothing says what of prompts is the tenant's.");
  }
  const tenant = tenants.of(call);
  if (tenant === null && !abstain) return noTenant(call);
  return refusesNames(call, tenant, new Judged()) ? Verdict.Deny : Verdict.Abstain;
}

/** Methods that say who talks to whom and reach no data. If they were refused, no reason of another call could be seen. */
function opens(method: string): bool {
  return method == "initialize" || method == "notifications/initialized" || method == "ping" || method == "server/discover";
}

/** What the settings say nothing of. What is left to others may still not name other tenants. */
function other(call: Call, code: string, text: string): Verdict {
  if (!abstain) return call.deny(code, text);
  return refusesNames(call, tenants.of(call), new Judged()) ? Verdict.Deny : Verdict.Abstain;
}

function judgeTool(call: Call, rules: Json): Verdict {
  const tenant = tenants.of(call);
  if (tenant === null) return noTenant(call);
  const given = call.kind(GIVEN);
  if (given != Kind.Absent && given != Kind.Object) return call.deny("arguments_no_object", "The arguments must be an object.");
  const values = tenants.values(call, tenant);
  const judged = new Rules(values).judge(call.json(ARGUMENTS), rules);
  const refusal = judged.refusal;
  if (refusal !== null) return deny(call, refusal);
  if (refusesNames(call, tenant, judged)) return Verdict.Deny;
  return judged.edit(call, given != Kind.Absent);
}

function judgeResource(call: Call, uri: string): Verdict {
  if (resources === null) return other(call, "resource_unmapped", "Nothing says which resources are the tenant's.");
  const tenant = tenants.of(call);
  if (tenant === null) return noTenant(call);
  const refusal = new Rules(tenants.values(call, tenant)).within(uri, resources!, "/");
  if (refusal !== null) return deny(call, refusal);
  return refusesNames(call, tenant, new Judged()) ? Verdict.Deny : Verdict.Pass;
}

function deny(call: Call, r: Refusal): Verdict {
  return call.deny(r.code, r.text);
}

function noTenant(call: Call): Verdict {
  return call.deny("no_tenant", "The caller belongs to no tenant.");
}

function named(call: Call): Verdict {
  return call.deny("other_tenant", "This names what is another tenant's.");
}

/** Denies if a string of the message names another tenant, but those that are overwritten, or if nothing says what does. */
function refusesNames(call: Call, tenant: string | null, judged: Judged): bool {
  const marks = Marks.of(call, tenant === null ? "" : tenant);
  if (marks === null) {
    noMarks(call);
    return true;
  }
  const strings = call.strings();
  for (let i = 0; i < strings.length; i++) {
    if (!marks.find(strings[i].text, 0) || judged.overwrites(strings[i].path)) continue;
    named(call);
    return true;
  }
  return false;
}

// ---- results ----

export function onResponse(call: Call): Verdict {
  if (responses == "ignore") return Verdict.Abstain;
  const marks = othersOf(call);
  if (marks === null) return noMarks(call);
  const strings = call.strings();
  let verdict = Verdict.Pass;
  for (let i = 0; i < strings.length; i++) {
    const text = strings[i].text;
    if (!marks.find(text, 0)) continue;
    if (responses == "deny" || !strings[i].path.startsWith("mcp.result")) return named(call);
    strings[i].replace(marks.redact(text));
    verdict = Verdict.Mutate;
  }
  if (verdict == Verdict.Mutate) call.label("other-tenant-redacted");
  return verdict;
}

/** Leaves out what is listed and names another tenant. */
export function onList(list: ListCall): Verdict {
  if (responses == "ignore") return Verdict.Abstain;
  const marks = othersOf(list);
  if (marks === null) return noMarks(list);
  const strings = list.strings();
  const items = list.items();
  let verdict = Verdict.Pass;
  for (let i = 0; i < strings.length; i++) {
    if (!marks.find(strings[i].text, 0)) continue;
    const path = strings[i].path; // items[INDEX]...
    const index = <i32>parseInt(path.substring(6, path.indexOf("]")));
    items[index].drop();
    verdict = Verdict.Mutate;
  }
  return verdict;
}

/** The marks of tenants, seen from the caller; all are others' if the caller has none. */
function othersOf(call: Call): Marks | null {
  const tenant = tenants.of(call);
  return Marks.of(call, tenant === null ? "" : tenant);
}

function noMarks(call: Call): Verdict {
  return call.deny("no_marks", "The table has no row marks, so nothing says what other tenants are known by.");
}

export function selfTest(): string | null {
  const rules = new Rules(Json.parse('{"root":"/srv/acme"}'));
  if (rules.within("/srv/acme/../globex/a", "root", "/") === null) return "a path that leads out was taken";
  if (rules.within("/srv/acme2/a", "root", "/") === null) return "another tenant's path was taken";
  if (rules.within("/srv/acme/a", "root", "/") !== null) return "the tenant's own path was refused";
  if (rules.within("/srv/acme/a/..?x", "root", "/") === null) return "a path that leads out before a query was taken";
  return null;
}
