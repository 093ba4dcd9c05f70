// What a plugin may do: what its manifest asks for, and what it is granted of that.
import { read } from "./json.mjs";
import { Path } from "./path.mjs";

/** What a plugin asks for and is granted. */
export class Plan {
  constructor(manifest, options) {
    const { grant = {}, tables = {}, detectors = {} } = options;
    const paths = (list = []) => list.map((t) => new Path(t));
    checkGrant(manifest, grant);
    this.manifest = manifest;
    this.tables = Object.fromEntries(Object.entries(tables).map(([name, rows]) => [name, read(rows)]));
    this.detectors = detectors;
    this.reads = each(manifest.reads, (list) => paths(list).map((p) => ({ path: p, granted: !grant.reads || grant.reads.includes(p.text) })));
    this.strings = each(manifest.strings, (list) => paths(list).map((p) => within([p], grant.strings && paths(grant.strings))));
    this.writes = within(paths(manifest.writes), grant.writes && paths(grant.writes));
    this.verdicts = grant.verdicts ?? manifest.verdicts ?? [];
    this.capabilities = (manifest.capabilities ?? []).map((c) => {
      const [kind, name] = c.split(":");
      const given = Object.hasOwn(kind === "match" ? detectors : tables, name);
      return { kind, name, granted: grant.capabilities ? grant.capabilities.includes(c) : given };
    });
  }

  mayWrite(path) {
    return this.writes.some((w) => w.holds(path));
  }
}

/** Refuses a grant of what is not asked for. */
function checkGrant(manifest, grant) {
  for (const name of ["verdicts", "capabilities"]) {
    for (const g of grant[name] ?? []) {
      if (!manifest[name]?.includes(g)) throw new Error(`the manifest doesn't ask for ${g}, so it can't be granted`);
    }
  }
  const asked = {
    reads: Object.values(manifest.reads ?? {}).flat(),
    strings: Object.values(manifest.strings ?? {}).flat(),
    writes: manifest.writes ?? [],
  };
  for (const [name, list] of Object.entries(asked)) {
    for (const g of grant[name] ?? []) {
      const fits = name === "reads" ? list.includes(g) : list.some((p) => new Path(p).holds(new Path(g)));
      if (!fits) throw new Error(`the manifest doesn't ask for ${g} in ${name}, so it can't be granted`);
    }
  }
}

function each(lists, f) {
  return Object.fromEntries(["request", "response", "list"].map((h) => [h, f(lists?.[h])]));
}

/** What is granted of paths: they, or smaller ones. */
function within(paths, granted) {
  if (!granted) return paths;
  const out = granted.filter((g) => paths.some((p) => p.holds(g)));
  return out.filter((p) => !out.some((q) => q !== p && q.holds(p))).sort((a, b) => Buffer.compare(Buffer.from(a.text), Buffer.from(b.text)));
}
