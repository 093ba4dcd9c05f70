/* The runtime, and what there is beside the language: console, and random numbers of the host. */
#include "base.h"
#include <string.h>

#define STACK_BYTES 44000 /* of the 64 KiB; about 180 calls of functions, as a gateway bounds the machine's own stack at a few more */
#define GARBAGE_BYTES (2u << 20) /* so much may a call leave lying before cycles are looked for */

JSRuntime *js_rt;
JSContext *js_ctx;

/* The linker makes it. A module that calls it itself has it called once, and not in every export. */
void __wasm_call_ctors(void);

__attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get")))
int32_t wasi_random_get(void *buf, uint32_t len);

/* ---- texts ---- */

js_text js_text_of(JSValueConst v) {
    js_text t;
    t.ptr = JS_ToCStringLen(js_ctx, &t.len, v);
    return t;
}

js_text js_strict_of(JSValueConst v) {
    js_text t = js_text_of(v);
    const char *p = t.ptr, *end = t.ptr + t.len;
    while (p && (p = memchr(p, 0xed, (size_t)(end - p)))) {
        if ((unsigned char)p[1] >= 0xa0) { /* how half a pair looks; the text ends with a zero */
            JS_FreeCString(js_ctx, t.ptr);
            t.ptr = 0;
            JS_ThrowTypeError(js_ctx, "the text has half a surrogate pair");
            break;
        }
        p++;
    }
    return t;
}

void js_text_free(js_text t) { JS_FreeCString(js_ctx, t.ptr); }

/* ---- exceptions ---- */

static uint32_t put(char *out, uint32_t at, uint32_t cap, JSValue v) {
    js_text t = js_text_of(v);
    uint32_t n = 0;
    if (t.ptr) {
        n = t.len < cap - at ? (uint32_t)t.len : cap - at;
        memcpy(out + at, t.ptr, n);
        js_text_free(t);
    } else
        JS_FreeValue(js_ctx, JS_GetException(js_ctx));
    JS_FreeValue(js_ctx, v);
    return at + n;
}

void js_report(js_reported *r) {
    JSValue e = JS_GetException(js_ctx);
    if (JS_IsNull(e)) /* there was no memory for an exception */
        r->text_len = put(r->text, 0, sizeof r->text, JS_NewString(js_ctx, "null, or no memory: ask for more in limits.pages"));
    else
        r->text_len = put(r->text, 0, sizeof r->text, JS_DupValue(js_ctx, e));
    r->stack_len = 0;
    if (JS_IsError(e)) r->stack_len = put(r->stack, 0, sizeof r->stack, JS_GetPropertyStr(js_ctx, e, "stack"));
    while (r->stack_len && r->stack[r->stack_len - 1] == '\n') r->stack_len--;
    JS_FreeValue(js_ctx, e);
}

_Noreturn void js_give_up(void) {
    static js_reported r;
    uint32_t n;
    js_report(&r);
    if (r.text_len < sizeof r.text && r.stack_len) r.text[r.text_len++] = '\n';
    n = sizeof r.text - r.text_len;
    if (n > r.stack_len) n = r.stack_len;
    memcpy(r.text + r.text_len, r.stack, n);
    sp_fail(r.text, r.text_len + n);
}

/* ---- modules ---- */

JSValue js_run(const uint8_t *code, size_t len) {
    JSValue module = JS_ReadObject(js_ctx, code, len, JS_READ_OBJ_BYTECODE), done;
    JSModuleDef *def;
    if (JS_IsException(module) || JS_ResolveModule(js_ctx, module)) return JS_EXCEPTION;
    def = JS_VALUE_GET_PTR(module);
    done = JS_EvalFunction(js_ctx, module);
    if (JS_IsException(done)) return done;
    switch (JS_PromiseState(js_ctx, done)) {
    case JS_PROMISE_FULFILLED: break;
    case JS_PROMISE_REJECTED: return JS_Throw(js_ctx, JS_PromiseResult(js_ctx, done));
    default: return JS_ThrowTypeError(js_ctx, "the script awaits something: a plugin has nothing to wait for");
    }
    JS_FreeValue(js_ctx, done);
    return JS_GetModuleNamespace(js_ctx, def);
}

/* ---- what there is beside the language ---- */

static JSValue console_log(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int level) {
    static char line[SP_LIMIT_TEXT_BYTES];
    uint32_t n = 0;
    (void)self;
    for (int i = 0; i < argc; i++) {
        if (i && n < sizeof line) line[n++] = ' ';
        n = put(line, n, sizeof line, JS_DupValue(ctx, argv[i]));
    }
    sp_log(level, line, n);
    return JS_UNDEFINED;
}

static JSValue math_random(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
    uint64_t bits;
    (void)ctx, (void)self, (void)argc, (void)argv;
    wasi_random_get(&bits, sizeof bits);
    return JS_NewFloat64(js_ctx, (double)(bits >> 11) * 0x1p-53);
}

static const JSCFunctionListEntry console[] = {
    JS_CFUNC_MAGIC_DEF("debug", 0, console_log, SP_LEVEL_DEBUG),
    JS_CFUNC_MAGIC_DEF("log", 0, console_log, SP_LEVEL_INFO),
    JS_CFUNC_MAGIC_DEF("info", 0, console_log, SP_LEVEL_INFO),
    JS_CFUNC_MAGIC_DEF("warn", 0, console_log, SP_LEVEL_WARN),
    JS_CFUNC_MAGIC_DEF("error", 0, console_log, SP_LEVEL_ERROR),
};

void js_start(void) {
    JSValue global, log, math;
    __wasm_call_ctors();
    if (!(js_rt = JS_NewRuntime()) || !(js_ctx = JS_NewContextRaw(js_rt))) sp_fail(LITERAL("no memory for the engine: ask for more in limits.pages"));
    JS_SetMaxStackSize(js_rt, STACK_BYTES);
    if (JS_AddIntrinsicBaseObjects(js_ctx) || JS_AddIntrinsicDate(js_ctx) || JS_AddIntrinsicRegExp(js_ctx) ||
        JS_AddIntrinsicJSON(js_ctx) || JS_AddIntrinsicProxy(js_ctx) || JS_AddIntrinsicMapSet(js_ctx) ||
        JS_AddIntrinsicTypedArrays(js_ctx) || JS_AddIntrinsicPromise(js_ctx) || JS_AddIntrinsicAToB(js_ctx))
        sp_fail(LITERAL("no memory for the engine: ask for more in limits.pages"));
    JS_SetGCThreshold(js_rt, GARBAGE_BYTES);
    global = JS_GetGlobalObject(js_ctx);
    log = JS_NewObject(js_ctx);
    math = JS_GetPropertyStr(js_ctx, global, "Math");
    if (JS_SetPropertyFunctionList(js_ctx, log, console, COUNT(console)) ||
        JS_SetPropertyStr(js_ctx, global, "console", log) < 0 ||
        JS_SetPropertyStr(js_ctx, math, "random", JS_NewCFunction(js_ctx, math_random, "random", 0)) < 0)
        js_give_up();
    JS_FreeValue(js_ctx, math);
    JS_FreeValue(js_ctx, global);
}
