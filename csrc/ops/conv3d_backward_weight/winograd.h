// What the Winograd rungs share: the weights of one tap in depth are those of a 2-D convolution between planes, which
// conv2d_backward_weight/winograd.h sums, with all planes that meet the tap as the images of a batch.
#pragma once
#include "../conv2d_backward_weight/winograd.h"
#include "../conv3d/winograd.h"
#include "r1_planes.h"
#include "r5_depth.h"

template <class T, int M>
struct WinogradGradient3d {
  using W = WinogradGradient<T, M>;
  using Planes = conv3d_backward_weight_r1_planes<T>;
  using Depth = conv3d_backward_weight_r5_depth<T>;

  static const char* supports(const Conv3d& a) {
    if (const char* reason = Winograd3d<T, M>::supports(a)) return reason;
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last x and dy (x_c = y_c = 1)" : nullptr;
  }

  // The planes of all samples, as if every tap in depth met all of them.
  static Conv2d all(const Conv3d& a) {
    Conv2d p = plane_of<T>(a, 0);
    p.n = a.n * a.od, p.precision = a.precision;
    return p;
  }
  static const char* declines(const Conv3d& a) {
    if (const char* reason = W::declines(all(a))) return reason;
    if (Depth::takes(a)) return "few input channels: the transforms cost more than depth's copy";
    return M == 2 || W::cycles(all(a)) < WinogradGradient<T, 2>::cycles(all(a)) ? nullptr
                                                                                : "smaller tiles are faster here";
  }

  static size_t scratch_bytes(const Conv3d& a, int threads) {
    size_t most = 0;  // parts and blocks depend on the number of planes
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = Planes::seen(a, kd);
      if (od.begin >= od.end || a.n == 0) continue;
      size_t bytes = W::scratch_bytes(Planes::batch(a, 0, kd, od, Planes::together(a, od)), threads);
      if (bytes > most) most = bytes;
    }
    return most;
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = Planes::seen(a, kd);
      if (od.begin >= od.end || a.n == 0) {
        Planes::nothing(a, kd, team);
        continue;
      }
      bool all = Planes::together(a, od);
      for (ptrdiff_t n = 0; n < (all ? 1 : a.n); n++) {
        if (kd + n > 0) team.barrier(&team);  // all have read the scratch of the last call
        Conv2d p = Planes::batch(a, n, kd, od, all);
        p.workspace = a.workspace;
        W::run(p, team, n > 0);
      }
    }
    Planes::bias(a, team);
  }
};
