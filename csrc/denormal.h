// Flushing denormals, scoped: numbers below 1.2e-38 cost 100 cycles and more on some CPUs, and a dying hidden state is
// full of them. While a kernel runs, each member of its team flushes them to zero; before and after, the thread's
// floating-point mode is what it was. Nothing outside kernels ever notices.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace loopnest {

class FlushDenormals {
 public:
  explicit FlushDenormals(bool on) : on_(on) {
    if (!on_) return;
#if defined(__x86_64__)
    before_ = _mm_getcsr();
    _mm_setcsr(unsigned(before_) | 0x8040);  // FTZ | DAZ
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
    __asm__ volatile("msr fpcr, %0" ::"r"(before_ | (uint64_t(1) << 24)));
#endif
  }
  ~FlushDenormals() {
    if (!on_) return;
#if defined(__x86_64__)
    _mm_setcsr(unsigned(before_));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(before_));
#endif
  }
  FlushDenormals(const FlushDenormals&) = delete;

 private:
  bool on_;
  uint64_t before_ = 0;
};

}  // namespace loopnest
