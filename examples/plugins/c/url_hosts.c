/* url-hosts: tools that fetch may fetch from the hosts that the operator lists, and from nowhere
   else. Without it, whoever can talk a model into a call can have the tool's server fetch from the
   network that it stands in: metadata services, databases, printers.

   The whole plugin is this file. It reads the tool's name and the strings of the arguments, and it
   never changes anything. */
#include "sallyport.h"
#include "sallyport_json.h"

/* What it asks for. An operator reads this before the plugin runs; the gateway holds the plugin to it. */
SP_MANIFEST({
  "abi": "sallyport/1",
  "name": "url-hosts",
  "version": "1.0.0",
  "hooks": ["request"],
  "reads": {"request": ["mcp.tool.name"]},
  "strings": {"request": ["args"]},
  "verdicts": ["deny"],
  "settings_schema": {
    "type": "object",
    "properties": {
      "tools": {"description": "The tools that fetch; all, if left out.", "type": "array", "items": {"type": "string"}},
      "arguments": {"description": "The arguments that hold URLs, as texts or lists of texts.", "type": "array", "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, "minItems": 1},
      "hosts": {"description": "Hosts, such as api.example.com, or *.example.com for all below it. With a port, that port only.", "type": "array", "items": {"type": "string"}},
      "http": {"description": "Whether http:// is allowed beside https://.", "type": "boolean"}
    },
    "required": ["arguments", "hosts"],
    "additionalProperties": false
  },
  "deterministic": true,
  "limits": {"pages": 2, "deadline_ms": 20},
  "meta": {"description": "Lets tools fetch from listed hosts only."}
})

enum { TOOL_NAME }; /* ids of fields: the order of reads */

/* ---- settings: taken once, and part of the image in which every call begins ---- */

static sp_text tools, arguments, hosts; /* JSON, as it is written */
static int http;

/* A pattern is a host, perhaps with *. before it and a port behind it: anything else would be a
   line that never matches, and whoever wrote it would not know. */
static int host_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; }

static int good_pattern(sp_text p) {
    uint32_t i = sp_begins(p, SP_TEXT("*.")) ? 2 : 0, from = i;
    while (i < p.len && host_char(p.ptr[i])) i++;
    if (i == from || p.ptr[from] == '.' || p.ptr[i - 1] == '.') return 0;
    if (i == p.len) return 1;
    if (p.ptr[i++] != ':' || i == p.len) return 0;
    while (i < p.len && p.ptr[i] >= '0' && p.ptr[i] <= '9') i++;
    return i == p.len;
}

/* plain says whether a list has only texts that need no escapes in JSON, which are all that are compared
   below. A name that silently never matched would leave its tool unjudged. */
static int plain(sp_text list) {
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w))
        if (!sp_there(sp_json_string(w.value, 0, 0))) return 0;
    return 1;
}

SP_VALIDATE_SETTINGS(settings) {
    sp_json_walk w = sp_json_begin(sp_json_get(settings, SP_TEXT("hosts")));
    if (!plain(sp_json_get(settings, SP_TEXT("tools")))) return sp_refuse(SP_TEXT("bad_tool"), SP_TEXT("A name with escapes can't be compared."), SP_TEXT("/tools"));
    if (!plain(sp_json_get(settings, SP_TEXT("arguments")))) return sp_refuse(SP_TEXT("bad_argument"), SP_TEXT("A name with escapes can't be compared."), SP_TEXT("/arguments"));
    while (sp_json_next(&w))
        if (!good_pattern(sp_json_string(w.value, 0, 0)))
            return sp_refuse(SP_TEXT("bad_host"), SP_TEXT("A host is of a-z, 0-9, - and ., with *. before it if all below it are meant, and :PORT behind it if one port is."), SP_TEXT("/hosts"));
    return 0;
}

SP_CONFIGURE(settings) {
    tools = sp_json_get(settings, SP_TEXT("tools"));
    arguments = sp_json_get(settings, SP_TEXT("arguments"));
    hosts = sp_json_get(settings, SP_TEXT("hosts"));
    http = sp_json_true(sp_json_get(settings, SP_TEXT("http")));
    return 0;
}

/* listed says whether a list of the settings has a text. */
static int listed(sp_text list, sp_text text) {
    sp_json_walk w = sp_json_begin(list);
    while (sp_json_next(&w))
        if (sp_same(sp_json_string(w.value, 0, 0), text)) return 1;
    return 0;
}

/* ---- URLs ---- */

/* An authority is what stands between the scheme and the path: host and port, as they are written.
   port is empty if there is none. */
typedef struct authority {
    sp_text host, port;
} authority;

/* matches says whether an authority is meant by a pattern. Names of hosts have no case. */
static int same_host(sp_text host, sp_text pattern) {
    uint32_t i;
    if (host.len != pattern.len) return 0;
    for (i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 32);
        if (c != pattern.ptr[i]) return 0;
    }
    return 1;
}

static int matches(authority a, sp_text pattern) {
    int64_t colon = sp_index(pattern, SP_TEXT(":"));
    sp_text port = sp_text_of("", 0);
    if (colon >= 0) {
        port = sp_json_from(pattern, (uint32_t)colon + 1);
        pattern.len = (uint32_t)colon;
    }
    if (!sp_same(a.port, port)) return 0;
    if (!sp_begins(pattern, SP_TEXT("*."))) return same_host(a.host, pattern);
    pattern = sp_json_from(pattern, 1); /* .example.com */
    return a.host.len > pattern.len && same_host(sp_json_from(a.host, a.host.len - pattern.len), pattern);
}

/* split takes a URL apart. Whatever programs read differently is no URL here: white space, control
   characters, backslashes, anything but ASCII, names of users, percent signs or brackets in the
   host. So the tool sees the same host as this does. */
static int split(sp_text url, authority *a) {
    uint32_t i, end;
    const char *p = url.ptr;
    for (i = 0; i < url.len; i++)
        if (p[i] <= ' ' || p[i] > '~' || p[i] == '\\') return 0;
    if (sp_begins(url, SP_TEXT("https://"))) i = 8;
    else if (http && sp_begins(url, SP_TEXT("http://"))) i = 7;
    else return 0;
    for (end = i; end < url.len && (host_char((char)(p[end] | (p[end] >= 'A' && p[end] <= 'Z' ? 32 : 0)))); end++) {}
    a->host = sp_text_of(p + i, end - i);
    a->port = sp_text_of("", 0);
    if (end < url.len && p[end] == ':') {
        for (i = ++end; end < url.len && p[end] >= '0' && p[end] <= '9'; end++) {}
        if (end == i) return 0;
        a->port = sp_text_of(p + i, end - i);
    }
    return a->host.len > 0 && (end == url.len || p[end] == '/' || p[end] == '?' || p[end] == '#');
}

static int allowed(authority a) {
    sp_json_walk w = sp_json_begin(hosts);
    while (sp_json_next(&w))
        if (matches(a, sp_json_string(w.value, 0, 0))) return 1;
    return 0;
}

/* ---- the message ---- */

/* argument is the name of the argument that a string is in: of args.url, url; of args.urls[3], urls. */
static sp_text argument(sp_text path) {
    uint32_t i;
    if (!sp_begins(path, SP_TEXT("args."))) return sp_text_of("", 0); /* args["odd key"]: no name that settings can have */
    path = sp_json_from(path, 5);
    for (i = 0; i < path.len && path.ptr[i] != '.' && path.ptr[i] != '['; i++) {}
    return sp_text_of(path.ptr, i);
}

SP_ON_REQUEST(call) {
    int32_t i, n = sp_strings(call), judged = 0;
    uint32_t used;
    authority a;
    sp_text tool = sp_get(call, TOOL_NAME);
    if (!sp_there(tool) || (sp_there(tools) && !listed(tools, tool))) return SP_VERDICT_ABSTAIN;
    for (i = 0, used = call->used; i < n; i++, call->used = used) { /* each string takes the memory of the one before */
        if (!listed(arguments, argument(sp_string_path(call, i)))) continue;
        judged = 1;
        if (!split(sp_string(call, i), &a))
            return sp_deny(call, SP_TEXT("bad_url"), http ? SP_TEXT("Give a URL that begins with https:// or http:// and has a plain host.") : SP_TEXT("Give a URL that begins with https:// and has a plain host."));
        if (!allowed(a)) {
            sp_record(SP_TEXT("host"), a.host);
            return sp_deny(call, SP_TEXT("host_not_listed"), SP_TEXT("This host is not among those that the tool may fetch from."));
        }
    }
    return judged ? SP_VERDICT_PASS : SP_VERDICT_ABSTAIN;
}

/* The gateway runs this once, after the settings. If it isn't 0, the plugin doesn't serve. */
SP_SELFTEST() {
    authority a;
    return !split(SP_TEXT("https://Example.com:8443/x"), &a) || !same_host(a.host, SP_TEXT("example.com")) || !sp_same(a.port, SP_TEXT("8443")) ||
           split(SP_TEXT("https://a@b/"), &a) || split(SP_TEXT("https://a\\b/"), &a);
}
