// Which path this processor can run, asked of it and of the operating system by CPUID and XGETBV themselves:
// __builtin_cpu_supports says no to everything in libraries that zig links.
#include "exports.h"

#define INTERFACE 4  // raised with every change of an entry point; library.py has the same

EXPORT int cryptable_interface(void) { return INTERFACE; }

// 2: AVX-512, 1: AVX2 with FMA, 0: what every processor of this kind has (SSE2, NEON).
#if defined(__x86_64__)
#include <cpuid.h>
EXPORT int cryptable_widest(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return 0;
  const unsigned wide = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  return (low & 0xe6) == 0xe6 && (b & wide) == wide ? 2 : 1;
}
#else
EXPORT int cryptable_widest(void) { return 0; }
#endif
