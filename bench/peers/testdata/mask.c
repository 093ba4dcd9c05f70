// The policy of engine/wasm/testdata/c/scan.c for Extism: the same loop over the whole message as bytes.
typedef unsigned char u8;
typedef int i32;
typedef unsigned int u32;
typedef unsigned long long u64;

#include "../../../engine/wasm/testdata/c/mask.h"

#define HOST(name) __attribute__((import_module("extism:host/env"), import_name(#name))) extern

HOST(input_length) u64 input_length(void);
HOST(input_load_u64) u64 input_load_u64(u64 at);
HOST(input_load_u8) i32 input_load_u8(u64 at);
HOST(alloc) u64 alloc(u64 n);
HOST(store_u64) void store_u64(u64 at, u64 v);
HOST(store_u8) void store_u8(u64 at, i32 v);
HOST(output_set) void output_set(u64 at, u64 n);

__attribute__((export_name("mask"))) i32 mask(void) {
  u64 n = input_length(), i = 0;
  if (n > sizeof text) return 1;
  for (; i + 8 <= n; i += 8) {
    u64 v = input_load_u64(i);
    __builtin_memcpy(text + i, &v, 8);
  }
  for (; i < n; i++) text[i] = (u8)input_load_u8(i);
  u32 o = masked((u32)n);
  if (o == 0) return 0;
  u64 at = alloc(o);
  for (i = 0; i + 8 <= o; i += 8) {
    u64 v;
    __builtin_memcpy(&v, out + i, 8);
    store_u64(at + i, v);
  }
  for (; i < o; i++) store_u8(at + i, out[i]);
  output_set(at, o);
  return 0;
}
