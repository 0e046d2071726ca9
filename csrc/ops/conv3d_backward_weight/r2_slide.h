// Idea:  depthwise: for each tap in depth, the planes that it sees are images of a batch, and the taps of a vector of
//        channels wait in registers while a tile of pixels passes.
// Since: r1_planes gave each group registers of its own, and one channel fills one lane.
// Why:   see conv2d_backward_weight's r4_slide, which does it; only the bias is summed apart.
// Price: dy and x are read once for each tap in depth.
#pragma once

template <class T>
struct conv3d_backward_weight_r2_slide : Plain<Conv3d> {
  using Plane = conv2d_backward_weight_r4_slide<T>;
  using Planes = conv3d_backward_weight_r1_planes<T>;

  static const char* supports(const Conv3d& a) {
    Conv2d f;
    return Plane::supports(depth_as_height<T>(a, f) ? f : plane_of<T>(a, 0));
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) {
    Conv2d f;
    return Plane::scratch_bytes(depth_as_height<T>(a, f) ? f : plane_of<T>(a, 0), threads);
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Conv2d f;
    if (depth_as_height<T>(a, f)) {
      f.workspace = a.workspace;
      return Plane::run(f, team);
    }
    T* totals = static_cast<T*>(a.workspace.scratch);
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = Planes::seen(a, kd);
      Conv2d p = plane_of<T>(a, kd);
      p.bias = nullptr;
      Range mine = share(Plane::vectors(p), team);
      Plane::clear(p, totals, mine);
      for (ptrdiff_t n = 0; n < a.n && od.begin < od.end; n++)
        Plane::add(Planes::batch(a, n, kd, od, false), totals, mine);
      for (ptrdiff_t v = mine.begin; v < mine.end; v++) Plane::write(p, v, totals + v * Plane::totals(p));
    }
    Planes::bias(a, team);
  }
};
