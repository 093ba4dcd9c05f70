// mail-outside has a human agree before a tool sends mail out of the company, and refuses mail
// that hides where it goes. manifest.json says what it reads, edits and answers, and which
// settings it takes.

// What the settings say. It is filled while the plugin boots and not changed by calls: each call
// begins with the memory as it was after booting.
let tools = new Set();
let domains = new Set(); // of the company
let most = 20; // recipients of a mail

const LISTS = ["args.to", "args.cc", "args.bcc"];
const DOMAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;

// An address, perhaps behind a name. Quoted and commented forms are left out: mail servers don't
// agree about them.
const ADDRESS = /^(?:[^<>@",;:()[\]\\]*<([^<>\s]+)>|(\S+))$/;
const PLAIN = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)$/;

// addresses gives the addresses in an argument, a text or a list of texts; undefined if it is
// something else, or if one of them can't be read for sure.
function addresses(value) {
  if (value === undefined || value === null || value === "") return [];
  const texts = typeof value === "string" ? value.split(",") : value;
  if (!Array.isArray(texts)) return undefined;
  const found = texts.map((text) => {
    // The longest address has 254 characters. Longer texts would only cost fuel.
    const m = typeof text === "string" && text.length < 512 ? ADDRESS.exec(text.trim()) : null;
    const address = m && (m[1] ?? m[2]);
    return address && PLAIN.test(address) ? address : undefined;
  });
  return found.includes(undefined) ? undefined : found;
}

function isOutside(address) {
  return !domains.has(PLAIN.exec(address)[1].toLowerCase());
}

// same says whether an argument is nothing but the addresses that were found in it.
function same(value, found) {
  if (Array.isArray(value)) return value.every((text, i) => text === found[i]);
  return found.length === 0 || value === found.join(",");
}

export default {
  // The gateway has checked the settings with the manifest's schema: only what a schema can't
  // say is looked at here.
  configure(settings) {
    const wrong = settings.domains.findIndex((domain) => !DOMAIN.test(domain));
    if (wrong >= 0) return { text: "write a domain in lower case, such as example.com", path: `/domains/${wrong}` };
    tools = new Set(settings.tools);
    domains = new Set(settings.domains);
    most = settings.most ?? 20;
  },

  // A plugin whose self-test fails is not loaded, and the one that served before it stays.
  selfTest() {
    const [first] = domains;
    if (isOutside(`a@${first}`) || !isOutside(`a@not-${first}`)) return "inside and outside are mixed up";
  },

  // Every way out is a verdict: not ours, refused and why, a question, changed, or good.
  request(call) {
    if (!tools.has(call.text("mcp.tool.name"))) return "abstain";

    const values = LISTS.map((path) => call.get(path));
    const lists = values.map(addresses);
    const unread = lists.indexOf(undefined);
    if (unread >= 0) return call.deny("address_unreadable", `Give ${LISTS[unread].slice(5)} plain addresses, such as ann@example.com.`);

    const all = lists.flat();
    if (all.length === 0) return call.deny("no_recipient", "Say whom the mail is to.");
    if (all.length > most) return call.deny("too_many_recipients", `A mail may have ${most} recipients.`);

    const outside = all.filter(isOutside);
    const changed = LISTS.filter((_, i) => !same(values[i], lists[i]));
    call.note("recipients", String(all.length));
    if (outside.length === 0) {
      // The server is to read the same addresses as were judged here.
      for (const path of changed) call.set(path, lists[LISTS.indexOf(path)]);
      return changed.length > 0 ? "mutate" : "pass";
    }

    call.note("outside", outside.join(" "));
    if (lists[2].some(isOutside)) return call.deny("hidden_recipient", "Nobody outside may be in bcc.");
    if (changed.length > 0) return call.deny("plain_addresses", "Outside mail needs plain addresses, without names.");
    const attachments = call.get("args.attachments");
    if (Array.isArray(attachments) ? attachments.length > 0 : attachments !== undefined) return call.deny("attachment_outside", "Attachments stay inside.");
    return call.approve(`May ${call.text("principal.id") || "the caller"} send "${call.text("args.subject") ?? ""}" to ${outside.join(", ")}?`);
  },
};
