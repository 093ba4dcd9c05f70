// What the differential test runs: loops short and long, recursion, indirect calls,
// bulk memory, 64-bit and floating-point arithmetic. Freestanding; each export takes
// and returns a number and works on its own memory.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
#define EXPORT(n) __attribute__((export_name(#n)))
#define NOINLINE __attribute__((noinline))

static u8 buf[65536];
static u32 words[4096];

static u32 next(u32 *x) { return *x = *x * 1664525u + 1013904223u; }

static void fill(u32 n) {
	u32 x = n;
	for (u32 i = 0; i < sizeof buf; i++) buf[i] = (u8)(next(&x) >> 24);
}

EXPORT(crc) u32 crc(u32 n) {
	fill(7);
	u32 c = ~0u;
	for (u32 i = 0; i < n % sizeof buf; i++) {
		c ^= buf[i];
		for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
	}
	return ~c;
}

// Counts words and skips over what is in quotes: a scanner's loop, with branches.
EXPORT(scan) u32 scan(u32 n) {
	fill(n);
	u32 count = 0;
	int in = 0;
	for (u32 i = 0; i < sizeof buf; i++) {
		u8 c = buf[i] | 32;
		int letter = c >= 'a' && c <= 'z';
		if (letter && !in) count++;
		in = letter;
		switch (buf[i] & 31) {
		case 3: i += 2; break;
		case 4: count += 3; /* fall through */
		case 5: count ^= i; break;
		case 6: if (i & 1) continue; break;
		default: break;
		}
		if (c == '"')
			for (i++; i < sizeof buf && buf[i] != '"'; i++)
				if (buf[i] == '\\') i++;
	}
	return count;
}

NOINLINE static u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
EXPORT(fib) u32 fib(u32 n) { return fibonacci(n % 20); }

static void sift(u32 *a, u32 root, u32 n) {
	for (u32 child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && a[child] < a[child + 1]) child++;
		if (a[root] >= a[child]) return;
		u32 t = a[root];
		a[root] = a[child];
		a[child] = t;
	}
}

EXPORT(sort) u32 sort(u32 n) {
	u32 x = n, sum = 0, len = n % 4096;
	for (u32 i = 0; i < len; i++) words[i] = next(&x);
	for (u32 i = len / 2; i-- > 0;) sift(words, i, len);
	for (u32 i = len; i-- > 1;) {
		u32 t = words[0];
		words[0] = words[i];
		words[i] = t;
		sift(words, 0, i);
	}
	for (u32 i = 0; i < len; i++) sum = sum * 31 + words[i];
	return sum;
}

static u64 add(u64 a, u64 b) { return a + b; }
static u64 mix(u64 a, u64 b) { return (a ^ b) * 0x9E3779B97F4A7C15ull; }
static u64 mod(u64 a, u64 b) { return a % (b | 1); }
static u64 rotate(u64 a, u64 b) { return a << (b & 63) | a >> (-b & 63); }
static u64 (*const table[])(u64, u64) = {add, mix, mod, rotate};

EXPORT(indirect) u32 indirect(u32 n) {
	u64 a = n, b = 12345;
	u32 x = n;
	for (u32 i = 0; i < 500; i++) {
		a = table[next(&x) >> 30](a, b);
		b += a >> 7;
	}
	return (u32)(a ^ a >> 32);
}

EXPORT(bulk) u32 bulk(u32 n) {
	fill(n);
	for (u32 i = 0; i < 100; i++) {
		u32 at = i * 300, len = n * i % 3000;
		__builtin_memcpy(buf + 32768, buf + at % 16384, len);
		__builtin_memset(buf + at % 16384, (int)i, len / 2);
		__builtin_memmove(buf + 100, buf + 90, len);
	}
	u32 sum = 0;
	for (u32 i = 0; i < sizeof buf; i++) sum = sum * 33 + buf[i];
	return sum;
}

EXPORT(floats) u32 floats(u32 n) {
	double s = 0, x = n + 0.5;
	for (u32 i = 1; i < 200; i++) {
		x = x * 0.75 + __builtin_sqrt(x) / i;
		s += x > 1 ? 1 / x : -x;
		if (i % 7 == 0) s += (double)(int)(s * 10);
	}
	return (u32)(int)(s * 1000);
}

EXPORT(grow) u32 grow(u32 n) {
	u32 before = __builtin_wasm_memory_size(0);
	u32 got = __builtin_wasm_memory_grow(0, n % 5);
	return before * 1000 + got + __builtin_wasm_memory_size(0);
}
