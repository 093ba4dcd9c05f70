/* The compiler is a plugin too, so that a host bounds what it does: the sources are arguments of
   a call, and what it makes of them is an edit. Of a script that can't be compiled it says why:
   the reason of a denial, and the note "stack". */
#include <stdlib.h>
#include <string.h>
#include "base.h"

#define PAGE 65536u

__asm__(".section .custom_section.sallyport.manifest,\"\",@\n"
        ".ascii \"{\\\"abi\\\":\\\"sallyport/1\\\",\\\"name\\\":\\\"compile-js\\\",\\\"version\\\":\\\"1.0.0\\\",\\\"hooks\\\":[\\\"request\\\"],\"\n"
        ".ascii \"\\\"reads\\\":{\\\"request\\\":[\\\"args.abi\\\",\\\"args.file\\\",\\\"args.manifest\\\",\\\"args.script\\\",\\\"args.sdk\\\"]},\"\n"
        ".ascii \"\\\"writes\\\":[\\\"args.made\\\"],\\\"verdicts\\\":[\\\"deny\\\",\\\"mutate\\\"],\"\n"
        ".ascii \"\\\"limits\\\":{\\\"pages\\\":1024,\\\"fuel\\\":10000000000,\\\"deadline_ms\\\":10000}}\"\n"
        ".text\n");

enum { ABI, FILE_NAME, MANIFEST, SCRIPT, SDK }; /* ids of fields: the order of reads */
enum { MODULES = 3 };

static const struct {
    int32_t source;
    const char *name, *as; /* of the module, and among what is made */
} modules[MODULES] = {{ABI, "sallyport/abi.js", "abi"}, {SDK, "sallyport/sallyport.js", "sdk"}, {SCRIPT, 0, "script"}};

static struct {
    uint8_t *code;
    size_t len;
} made[MODULES];

/* ---- what the call gives ---- */

static char *argument(int32_t id, uint32_t *len) {
    int32_t n = sp_field(id, 0, 0);
    char *p = malloc((size_t)(n < 0 ? 0 : n) + 1);
    if (n < 0 || !p) sp_fail(LITERAL("no such argument, or no memory for it"));
    sp_field(id, p, (uint32_t)n);
    p[n] = 0;
    *len = (uint32_t)n;
    return p;
}

/* ---- compiling ---- */

/* refuse is the verdict on a script that something is wrong with. */
static int32_t refuse(const char *code) {
    static js_reported r;
    js_report(&r);
    sp_reason(code, (uint32_t)strlen(code), r.text, r.text_len);
    if (r.stack_len) sp_note(LITERAL("stack"), r.stack, r.stack_len);
    return SP_VERDICT_DENY;
}

static JSModuleDef *import(JSContext *ctx, const char *name, void *opaque) {
    (void)opaque;
    JS_ThrowSyntaxError(ctx, "a plugin is one file: '%s' can't be imported", name);
    return 0;
}

/* compile makes code of the modules, in a context that is for nothing else. */
static int compile(const char *file) {
    JSContext *ctx = JS_NewContextRaw(js_rt), *run = js_ctx;
    if (!ctx || JS_AddIntrinsicBaseObjects(ctx) || JS_AddIntrinsicEval(ctx)) sp_fail(LITERAL("no memory"));
    JS_AddIntrinsicRegExpCompiler(ctx);
    JS_SetModuleLoaderFunc(js_rt, 0, import, 0);
    js_ctx = ctx;
    for (int i = 0; i < MODULES; i++) {
        uint32_t len;
        char *source = argument(modules[i].source, &len);
        JSValue module = JS_Eval(ctx, source, len, modules[i].name ? modules[i].name : file, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
        if (JS_IsException(module)) return 0;
        made[i].code = JS_WriteObject(ctx, &made[i].len, module, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
        if (!made[i].code) return 0;
    }
    js_ctx = run;
    return 1;
}

/* describe runs what was compiled as a plugin would, and gives its manifest. */
static JSValue describe(void) {
    uint32_t len;
    char *manifest = argument(MANIFEST, &len);
    JSValue space[MODULES], args[2];
    for (int i = 0; i < MODULES; i++) {
        space[i] = js_run(made[i].code, made[i].len);
        if (JS_IsException(space[i])) return JS_EXCEPTION;
    }
    args[0] = JS_GetPropertyStr(js_ctx, space[2], "default");
    args[1] = JS_NewStringLen(js_ctx, manifest, len);
    return JS_Call(js_ctx, JS_GetPropertyStr(js_ctx, space[1], "describe"), JS_UNDEFINED, 2, args);
}

/* ---- what is made ---- */

static JSValue base64(const uint8_t *p, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc(len / 3 * 4 + 4), *at = out;
    if (!out) sp_fail(LITERAL("no memory"));
    for (size_t i = 0; i < len; i += 3) {
        uint32_t n = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
        *at++ = digits[n >> 18];
        *at++ = digits[n >> 12 & 63];
        *at++ = i + 1 < len ? digits[n >> 6 & 63] : '=';
        *at++ = i + 2 < len ? digits[n & 63] : '=';
    }
    JSValue v = JS_NewStringLen(js_ctx, out, (size_t)(at - out));
    free(out);
    return v;
}

SP_EXPORT("_initialize") void initialize(void) {
    js_memory_begin(__builtin_wasm_memory_size(0) * PAGE);
    js_start();
}

SP_EXPORT("sp_on_request") int32_t sp_on_request(void) {
    uint32_t len;
    char *file = argument(FILE_NAME, &len);
    JSValue manifest, out;
    js_text json;
    if (!compile(file)) return refuse("syntax");
    manifest = describe();
    if (JS_IsException(manifest)) return refuse("script");
    out = JS_NewObject(js_ctx);
    JS_SetPropertyStr(js_ctx, out, "manifest", manifest);
    for (int i = 0; i < MODULES; i++) JS_SetPropertyStr(js_ctx, out, modules[i].as, base64(made[i].code, made[i].len));
    json = js_text_of(JS_JSONStringify(js_ctx, out, JS_UNDEFINED, JS_UNDEFINED));
    if (!json.ptr) return refuse("script");
    sp_patch(SP_PATCH_SET, LITERAL("args.made"), json.ptr, (uint32_t)json.len);
    return SP_VERDICT_MUTATE;
}
