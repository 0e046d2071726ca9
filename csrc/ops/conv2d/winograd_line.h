// F(4, 3) along a row: sequences under kernels of length 3, for conv1d and its gradients.
//
// A tile of 6 numbers of x gives 4 of y by 6 multiplications for a pair of channels, not 12. The loops are Winograd's
// (winograd.h) with tiles one row high. Dilation by d is a convolution without it on every d-th place: d jobs.
#pragma once
#include "winograd.h"

template <class T>
struct LineWinograd {
  using W = Winograd<T, 4, true>;
  using Job = typename W::Job;

  // conv1d's contract: one row.
  static const char* supports(const Conv2d& a) {
    if (a.kw != 3 || a.kh != 1) return "the kernel does not have 3 taps";
    if ((a.stride_w != 1 && a.ow > 1) || (a.stride_h != 1 && a.oh > 1)) return "the stride is not 1";
    if (a.pad_h || a.ih != a.oh) return "there is padding above or below";
    if (a.dilation_w > 64) return "a dilation over 64 would make many jobs";
    if ((a.activation || a.add) && a.y_c != 1) return "an epilogue wants channels-last y (y_c = 1)";
    return nullptr;
  }

  // The whole: what phases are cut from. Its padding is that of the dilated kernel.
  static Job forward(const Conv2d& a) {
    Job j = W::job(a);
    j.raw_allowed = a.dilation_w == 1;  // otherwise every phase would transform them
    return j;
  }
  // dx is a convolution of dy with the weights turned round.
  static Job input_gradient(const Conv2d& a) {
    Job j = W::input_gradient(a);
    j.pad_w += 2 * (a.dilation_w - 1);
    j.raw_allowed = a.dilation_w == 1;
    return j;
  }

  // Places phase, phase + d ... of y.
  static Job phase_of(const Job& j, ptrdiff_t d, ptrdiff_t phase) {
    if (d == 1) return j;
    ptrdiff_t first = ((phase - j.pad_w) % d + d) % d;  // the first place of x of that kind
    Job p = j;
    p.iw = ceil_div(j.iw - first, d), p.ow = ceil_div(j.ow - phase, d);
    p.pad_w = (j.pad_w + first - phase) / d;
    p.x += first * j.x_w, p.y += phase * j.y_w;
    if (j.add) p.add += phase * j.y_w;
    p.x_w *= d, p.y_w *= d;
    return p;
  }

  template <class Make>
  static const char* declines(const Conv2d& a, Make make) {
    if (a.precision >= High) return "the precision setting rules F(4, 3) out";
    if (a.groups > 1) return "groups: taps and group are faster";
    Job j = phase_of(make(a), a.dilation_w, 0);
    return W::cycles(j) < W::direct_cycles(j) ? nullptr : "the transforms would cost more than they save";
  }
  static size_t scratch_bytes(const Job& j, ptrdiff_t d, int threads) {
    return W::scratch_bytes(phase_of(j, d, 0), threads);  // no phase has more places
  }
  static void run(const Job& j, ptrdiff_t d, const Team& team) noexcept {
    for (ptrdiff_t phase = 0; phase < d && phase < j.ow; phase++) {
      if (phase > 0 && team.size > 1) team.barrier(&team);  // all have done with the scratch that they share
      W::run(phase_of(j, d, phase), team);
    }
  }
};
