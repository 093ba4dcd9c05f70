/* The engine of a plugin: a script that was compiled, and the exports of the ABI that call it. */
#include "bridge.h"
#include <stdlib.h>

#define PAGE 65536u

/* How the memory ends: the lengths of the parts, which stand before it in this order. */
typedef struct trailer {
    uint32_t abi, sdk, script; /* modules that were compiled */
    uint32_t manifest;         /* JSON */
} trailer;

/* What the SDK makes of a script. */
enum { REQUEST, RESPONSE, LIST, VALIDATE, CONFIGURE, SELFTEST, ENTRIES };
static const char *const names[ENTRIES] = {"request", "response", "list", "validate", "configure", "selfTest"};
static JSValue entries[ENTRIES];

static JSValue run(const uint8_t *code, uint32_t len) {
    JSValue space = js_run(code, len);
    if (JS_IsException(space)) js_give_up();
    return space;
}

/* member gives a member, which must be there without an exception. */
static JSValue member(JSValueConst of, const char *name) {
    JSValue v = JS_GetPropertyStr(js_ctx, of, name);
    if (JS_IsException(v)) js_give_up();
    return v;
}

__attribute__((export_name("_initialize"))) void initialize(void) {
    uint32_t end = __builtin_wasm_memory_size(0) * PAGE;
    const trailer *t = (const trailer *)(uintptr_t)(end - sizeof(trailer));
    const uint8_t *manifest = (const uint8_t *)t - t->manifest, *script = manifest - t->script, *sdk = script - t->sdk, *abi = sdk - t->abi;
    JSValue sdk_space, script_space, start, made, args[3];
    js_memory_begin((uint32_t)(uintptr_t)abi);
    js_start();
    JS_FreeValue(js_ctx, run(abi, t->abi));
    sdk_space = run(sdk, t->sdk);
    script_space = run(script, t->script);
    start = member(sdk_space, "start");
    args[0] = member(script_space, "default");
    args[1] = JS_NewStringLen(js_ctx, (const char *)manifest, t->manifest);
    args[2] = js_bridge();
    made = JS_Call(js_ctx, start, JS_UNDEFINED, 3, args);
    if (JS_IsException(made)) js_give_up();
    for (int i = 0; i < ENTRIES; i++) entries[i] = member(made, names[i]);
    JS_RunGC(js_rt);
}

/* call calls what the SDK made; it returns numbers. */
static int32_t call(int entry, int argc, JSValueConst *argv) {
    int32_t n;
    JSValue v = JS_Call(js_ctx, entries[entry], JS_UNDEFINED, argc, argv);
    if (JS_IsException(v) || JS_ToInt32(js_ctx, &n, v)) js_give_up();
    return n;
}

static int32_t with_settings(int entry, const char *at, uint32_t len) {
    JSValue args[2] = {JS_ParseJSON(js_ctx, at, len, "<settings>"), JS_NewStringLen(js_ctx, at, len)};
    if (JS_IsException(args[0]) || JS_IsException(args[1])) js_give_up();
    return call(entry, 2, args);
}

SP_EXPORT("sp_alloc") void *sp_alloc(uint32_t len) { return calloc(1, len + 1); } /* a zero follows */
SP_EXPORT("sp_validate_settings") int32_t sp_validate_settings(const char *at, uint32_t len) { return with_settings(VALIDATE, at, len); }
SP_EXPORT("sp_configure") int32_t sp_configure(const char *at, uint32_t len) { return with_settings(CONFIGURE, at, len); }
SP_EXPORT("sp_on_request") int32_t sp_on_request(void) { return call(REQUEST, 0, 0); }
SP_EXPORT("sp_on_response") int32_t sp_on_response(void) { return call(RESPONSE, 0, 0); }
SP_EXPORT("sp_on_list") int32_t sp_on_list(void) { return call(LIST, 0, 0); }

SP_EXPORT("sp_selftest") int32_t sp_selftest(void) {
    int32_t n = call(SELFTEST, 0, 0);
    JS_RunGC(js_rt); /* it is the last before the memory becomes the image of all calls */
    return n;
}
