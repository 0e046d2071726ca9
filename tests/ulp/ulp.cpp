// How wrong csrc/simd/math.h is, in units in the last place, against libm's double, over every 5th of all floats.
//
//   g++ -std=c++20 -O3 -fno-math-errno -I csrc -march=x86-64-v4 -DLOOPNEST_ISA=avx512 -DLOOPNEST_FAMILY=gemm \
//     tests/ulp/ulp.cpp && ./a.out
//
// Any ISA of csrc/isa.inc with the flags of its row; a first argument replaces the 5. Exits with 1 if an error is
// above 3 ULP or a special value is wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels.h"

namespace loopnest::LOOPNEST_ISA {
namespace {

using Function = vec<float> (*)(vec<float>);

// Distance in ULP of the float nearest to `right`; below the smallest normal number the ULP is that of denormals.
double ulps(float got, double right) {
  float nearest = float(right);
  if (isnan(right) || isnan(got)) return isnan(right) == isnan(got) ? 0 : INFINITY;
  if (isinf(nearest) || isinf(got)) return nearest == got ? 0 : INFINITY;
  int exponent = right == 0 ? -126 : ilogb(right);
  return fabs(double(got) - right) / ldexp(1.0, (exponent < -126 ? -126 : exponent) - 23);
}

bool sweep(const char* name, Function f, double (*right)(double), uint64_t step) {
  double worst = 0;
  float worst_x = 0;
  for (uint64_t bits = 0; bits < (uint64_t(1) << 32); bits += step * lanes<float>) {
    float x[lanes<float>], y[lanes<float>];
    for (int l = 0; l < lanes<float>; l++) {
      uint32_t b = uint32_t(bits + step * l);
      memcpy(x + l, &b, sizeof b);
    }
    store<float>(y, f(load<float>(x)));
    for (int l = 0; l < lanes<float>; l++) {
      double error = ulps(y[l], right(x[l]));
      if (!(error <= worst)) worst = error, worst_x = x[l];
    }
  }
  printf("%-8s %-8s %.3f ULP, at x = %.9g\n", isa.name, name, worst, worst_x);
  return worst <= 3;
}

bool special(const char* name, Function f, float x, float want) {
  float got = get_lane<float>(f(broadcast<float>(x)), 0);
  bool ok = isnan(want) ? isnan(got) : memcmp(&got, &want, sizeof got) == 0;
  if (!ok) printf("%s %s(%g) is %g, not %g\n", isa.name, name, x, got, want);
  return ok;
}

double double_sigmoid(double x) { return 1 / (1 + ::exp(-x)); }
double double_exp(double x) { return ::exp(x); }
double double_tanh(double x) { return ::tanh(x); }

bool run(uint64_t step) {
  bool ok = true;
  const float cases[][4] = {
      // x, exp, sigmoid, tanh
      {NAN, NAN, NAN, NAN},      {-NAN, NAN, NAN, NAN},       {INFINITY, INFINITY, 1, 1}, {-INFINITY, 0, 0, -1},
      {0.0f, 1, 0.5f, 0.0f},     {-0.0f, 1, 0.5f, -0.0f},     {3e38f, INFINITY, 1, 1},    {-3e38f, 0, 0, -1},
      {1e-45f, 1, 0.5f, 1e-45f}, {-1e-39f, 1, 0.5f, -1e-39f},
  };
  for (auto& c : cases) {
    ok &= special("exp", fast_exp, c[0], c[1]);
    ok &= special("sigmoid", fast_sigmoid, c[0], c[2]);
    ok &= special("tanh", fast_tanh, c[0], c[3]);
  }
  ok &= sweep("exp", fast_exp, double_exp, step);
  ok &= sweep("sigmoid", fast_sigmoid, double_sigmoid, step);
  ok &= sweep("tanh", fast_tanh, double_tanh, step);
  return ok;
}

}  // namespace
}  // namespace loopnest::LOOPNEST_ISA

int main(int count, char** values) {
  uint64_t step = count > 1 ? strtoull(values[1], nullptr, 0) : 5;
  return loopnest::LOOPNEST_ISA::run(step) ? 0 : 1;
}
