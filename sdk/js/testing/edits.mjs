// The edits of a call.
import { CODE, KIND, PATCH } from "./abi.mjs";
import { quote, write } from "./json.mjs";
import { walk } from "./path.mjs";

export class Edits {
  constructor() {
    this.list = []; // { path, json, node } or { path, json, object, key }; json is undefined for what is taken out
  }

  replace(node, path, json) {
    this.list.push({ node, path, json });
  }

  /** Finds the place of a patch, and returns a code. */
  patch(message, path, op, json) {
    let [root, segments] = [message.root(path.name), path.segments];
    if (path.name === "args") [root, segments] = [message.params, ["arguments", ...segments]];
    if (segments.length === 0) {
      if (!root) return CODE.absent;
      if (op === PATCH.remove) return CODE.wrong_type;
      this.replace(root, path.text, json);
      return CODE.ok;
    }
    const last = segments.at(-1);
    const around = walk(root, segments.slice(0, -1));
    if (!around) return CODE.absent;
    if (around.kind !== (typeof last === "number" ? KIND.array : KIND.object)) return CODE.wrong_type;
    const there = walk(around, [last]);
    if (there) this.replace(there, path.text, op === PATCH.remove ? undefined : json);
    else if (op === PATCH.remove || typeof last === "number") return CODE.absent;
    else this.list.push({ object: around, key: last, path: path.text, json });
    return CODE.ok;
  }

  /** Whether one lies in the place of another. */
  get conflict() {
    const places = new Set(this.list.map((e) => e.node).filter(Boolean));
    const inside = (n) => [...places].some((p) => n.isIn(p));
    return [...places].some(inside) || this.list.some((e) => e.object && (places.has(e.object) || inside(e.object)));
  }

  /** The document of a value with the edits. */
  apply(node) {
    const changed = new Map(), added = new Map();
    for (const e of this.list) {
      if (e.node) changed.set(e.node, e);
      else added.set(e.object, (added.get(e.object) ?? new Map()).set(e.key, e.json));
    }
    const out = (n) => {
      if (changed.has(n)) return changed.get(n).json;
      const rest = n.values.map((v, i) => [n.keys[i], out(v)]).filter(([, json]) => json !== undefined);
      if (n.kind === KIND.array) return `[${rest.map(([, json]) => json).join(",")}]`;
      if (n.kind !== KIND.object) return write(n);
      return `{${[...rest, ...(added.get(n) ?? [])].map(([key, json]) => `${quote(key)}:${json}`).join(",")}}`;
    };
    return out(node);
  }
}
