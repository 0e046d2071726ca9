// dL/dw of a kernel of length 3 by F(4, 3): the loops of winograd.h with tiles one row high; see
// conv2d/winograd_line.h.
#pragma once
#include "../conv2d/winograd_line.h"
#include "winograd.h"

template <class T>
struct LineGradient {
  using W = WinogradGradient<T, 4, true>;

  // Places phase, phase + d ... of dy, and those of x that they meet: a convolution without dilation.
  static Conv2d phase_of(const Conv2d& a, ptrdiff_t phase) {
    typename LineWinograd<T>::Job j = LineWinograd<T>::forward(a);
    j = LineWinograd<T>::phase_of(j, a.dilation_w, phase);
    Conv2d p = a;
    p.x = const_cast<T*>(j.x), p.y = j.y, p.bias = nullptr;
    p.iw = j.iw, p.ow = j.ow, p.pad_w = j.pad_w, p.x_w = j.x_w, p.y_w = j.y_w, p.dilation_w = 1;
    return p;
  }
  static const char* supports(const Conv2d& a) {
    if (const char* reason = LineWinograd<T>::supports(a)) return reason;
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last x and dy (x_c = y_c = 1)" : nullptr;
  }
  static const char* declines(const Conv2d& a) {
    if (a.precision >= High) return "the precision setting rules F(4, 3) out";
    if (a.groups > 1) return "groups: tile is faster";
    Conv2d p = phase_of(a, 0);
    return W::cycles(p) < W::Forward::direct_cycles(W::Forward::job(p))
               ? nullptr
               : "the transforms would cost more than they save";
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    size_t most = 0;
    for (ptrdiff_t phase = 0; phase < a.dilation_w && phase < a.ow; phase++) {
      size_t bytes = W::scratch_bytes(phase_of(a, phase), threads);
      if (bytes > most) most = bytes;
    }
    return most;
  }
  static void run(const Conv2d& a, const Team& team) noexcept {
    for (ptrdiff_t phase = 0; phase < a.dilation_w && phase < a.ow; phase++) {
      if (phase > 0 && team.size > 1) team.barrier(&team);  // dw, and the parts of it, are whole
      W::run(phase_of(a, phase), team, phase > 0);
    }
    bias_gradient<T>(a, team);
  }
};
