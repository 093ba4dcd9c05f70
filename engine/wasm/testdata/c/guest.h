// What the C guests of engine/wasm's tests share: host functions, the manifest's section.
#pragma once
typedef unsigned char u8;
typedef int i32;
typedef unsigned int u32;

#define HOST(name) __attribute__((import_module("sallyport_v1"), import_name(#name))) extern
#define EXPORT(name) __attribute__((export_name(#name)))
#define QUOTED(...) #__VA_ARGS__
#define TWICE(...) QUOTED(__VA_ARGS__)
#define MANIFEST(...) \
  __asm__(".section .custom_section.sallyport.manifest,\"\",@\n.ascii " TWICE(QUOTED(__VA_ARGS__)) "\n.text")

HOST(field) i32 field(i32 id, void *buf, u32 cap);
HOST(str) i32 str(i32 index, void *buf, u32 cap);
HOST(str_count) i32 str_count(void);
HOST(str_replace) i32 str_replace(i32 index, const void *text, u32 len);
HOST(match) i32 match(i32 capability, i32 what, void *buf, u32 cap);
HOST(reason) void reason(const void *code, u32 code_len, const void *text, u32 text_len);
HOST(fail) void fail(const void *text, u32 len);

static inline int starts(const u8 *s, i32 n, const char *with, i32 k) {
  if (n < k) return 0;
  for (i32 i = 0; i < k; i++)
    if (s[i] != (u8)with[i]) return 0;
  return 1;
}
