/* What the engine of a plugin and the compiler have in common. */
#ifndef BASE_H
#define BASE_H

#include <stddef.h>
#include <stdint.h>
#include "quickjs.h"
#include "../../c/include/sallyport_abi.h"

#define LITERAL(s) s, (uint32_t)sizeof(s) - 1
#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

extern JSRuntime *js_rt;
extern JSContext *js_ctx;

/* js_memory_begin gives the heap everything from the program's data up to an address. */
void js_memory_begin(uint32_t limit);

/* js_start makes the runtime and a context with what a plugin has of the language. */
void js_start(void);

/* A text of the language as UTF-8. */
typedef struct js_text {
    const char *ptr; /* null after an exception */
    size_t len;
} js_text;

/* js_text_of gives the text of a value; js_text_free gives it back. js_strict_of is for texts
   that become a part of a message: half a surrogate pair is an exception. */
js_text js_text_of(JSValueConst v);
js_text js_strict_of(JSValueConst v);
void js_text_free(js_text t);

/* js_give_up ends the call as a failure that tells of the pending exception. */
_Noreturn void js_give_up(void);

/* js_report takes the pending exception, and writes it as text and where it was thrown. */
typedef struct js_reported {
    char text[SP_LIMIT_TEXT_BYTES], stack[SP_LIMIT_TEXT_BYTES];
    uint32_t text_len, stack_len;
} js_reported;
void js_report(js_reported *r);

/* js_run evaluates a module that was compiled, and gives its namespace, or an exception. */
JSValue js_run(const uint8_t *code, size_t len);

#endif
