import { Call, capability, field, Json } from "@sallyport/assemblyscript";

const TABLE = capability("lookup:tenants");
const ID = field("principal.id");
const KEY = field("apiKey.id");
const CLAIMS = field("principal.claims");
const ISSUER = field("principal.issuer");

/** What the table says. Keys of its rows begin with what they are keys of, so that no caller can be called like another row. */
export class Tenants {
  private key: string;
  private claim: string;
  private issuers: Json;

  constructor(settings: Json) {
    const key = settings.get("key").text;
    this.key = key === null ? "id" : key;
    const claim = settings.get("claim").text;
    this.claim = claim === null ? "" : claim;
    this.issuers = settings.get("issuers");
  }

  /** The caller's tenant; null if there is none. */
  of(call: Call): string | null {
    const name = this.caller(call);
    if (name === null || name == "") return null;
    const tenant = call.lookup(TABLE, "principal:" + name);
    if (tenant === null || tenant == "") return null;
    call.note("tenant", tenant);
    return tenant;
  }

  /** What the caller is looked up by. */
  private caller(call: Call): string | null {
    if (this.issuers.exists) {
      const issuer = call.text(ISSUER);
      if (issuer === null || !this.issuers.contains(issuer)) return null;
    }
    if (this.key == "apiKey") return call.text(KEY);
    if (this.key == "claim") return call.json(CLAIMS).get(this.claim).text;
    return call.text(ID);
  }

  /** What is the tenant's, by name. */
  values(call: Call, tenant: string): Json {
    const row = call.lookup(TABLE, "tenant:" + tenant);
    return row === null ? Json.absent : Json.parse(row);
  }
}

/** The row of the marks of all tenants; null if the table has none. */
export function marksRow(call: Call): string | null {
  return call.lookup(TABLE, "marks");
}
