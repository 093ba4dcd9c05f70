/* The heap. Each call of a plugin begins with the memory as it was after booting, so what counts
   is that a call touches few pages: freed blocks are used again at once, by size, and nothing is
   ever joined or given back. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base.h"

#define PAGE 65536u
#define SMALL 512u /* sizes up to here are multiples of 16, above them quarters of powers of two */
#define CLASSES (SMALL / 16u + 4u * 22u)

/* What stands before a block. A free block holds the next one where its bytes were. */
typedef struct block {
    uint32_t size; /* of the bytes after this */
    uint32_t class;
} block;

extern unsigned char __heap_base;
static unsigned char *at, *end; /* what was never used */
static block *free_blocks[CLASSES];

/* js_memory_begin gives the heap everything from the program's data up to an address. */
void js_memory_begin(uint32_t limit) {
    at = (unsigned char *)(((uintptr_t)&__heap_base + 15u) & ~(uintptr_t)15);
    end = (unsigned char *)(uintptr_t)(limit & ~(uint32_t)15);
}

/* class_of finds the class of a size and makes the size that of the class. */
static uint32_t class_of(uint32_t *size) {
    uint32_t n = *size ? *size : 1, shift, step;
    if (n <= SMALL) {
        *size = (n + 15u) & ~15u;
        return *size / 16u - 1u;
    }
    shift = 31u - (uint32_t)__builtin_clz(n - 1u); /* 2^shift <= n-1 < 2^(shift+1) */
    step = 1u << (shift - 2u);
    n = (n + step - 1u) & ~(step - 1u);
    *size = n;
    return SMALL / 16u + 4u * (shift - 9u) + (n - (1u << shift)) / step - 1u;
}

/* more makes sure that n bytes follow. What is left of the memory so far is given up when the
   new one doesn't follow it. */
static int more(uint32_t n) {
    uint32_t pages;
    size_t was;
    if ((size_t)(end - at) >= n) return 1;
    pages = (n + PAGE - 1u) / PAGE;
    if (end == (unsigned char *)(__builtin_wasm_memory_size(0) * PAGE)) pages = (n - (uint32_t)(end - at) + PAGE - 1u) / PAGE;
    was = __builtin_wasm_memory_grow(0, pages);
    if (was == (size_t)-1) return 0;
    if (end != (unsigned char *)(was * PAGE)) at = (unsigned char *)(was * PAGE);
    end = (unsigned char *)((was + pages) * PAGE);
    return 1;
}

void *malloc(size_t size) {
    uint32_t n = size, class;
    block *b;
    if (size > 0x7f000000u) return 0;
    class = class_of(&n);
    b = free_blocks[class];
    if (b) {
        free_blocks[class] = *(block **)(b + 1);
        return b + 1;
    }
    if (!more(n + sizeof(block))) return 0;
    b = (block *)at;
    at += n + sizeof(block);
    b->size = n;
    b->class = class;
    return b + 1;
}

void free(void *p) {
    block *b = (block *)p - 1;
    if (!p) return;
    *(block **)p = free_blocks[b->class];
    free_blocks[b->class] = b;
}

void *calloc(size_t count, size_t size) {
    size_t n;
    void *p;
    if (__builtin_mul_overflow(count, size, &n)) return 0;
    p = malloc(n);
    if (p) memset(p, 0, n);
    return p;
}

void *realloc(void *p, size_t size) {
    block *b = (block *)p - 1;
    void *q;
    if (!p) return malloc(size);
    if (size <= b->size) return p;
    q = malloc(size);
    if (!q) return 0;
    memcpy(q, p, b->size);
    free(p);
    return q;
}

size_t malloc_usable_size(void *p) { return p ? ((block *)p - 1)->size : 0; }
