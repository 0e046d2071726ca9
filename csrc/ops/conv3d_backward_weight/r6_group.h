// Idea:  few channels per group: for each tap in depth, the planes that it sees are images of a batch, and the lanes of
//        a register hold several groups.
// Since: r1_planes gives each group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   see conv2d_backward_weight's r10_group, which does it; only the bias is summed apart.
// Price: dy and x are read once for each tap in depth.
#pragma once

template <class T>
struct conv3d_backward_weight_r6_group : Plain<Conv3d> {
  using Plane = conv2d_backward_weight_r10_group<T>;
  using Planes = conv3d_backward_weight_r1_planes<T>;

  // Volumes that are images as they are, or planes of them.
  static Conv2d images(const Conv3d& a) {
    Conv2d f;
    return depth_as_height<T>(a, f) ? f : plane_of<T>(a, 0);
  }
  static const char* supports(const Conv3d& a) { return Plane::supports(images(a)); }
  static const char* declines(const Conv3d& a) { return Plane::declines(images(a)); }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return Plane::scratch_bytes(images(a), threads); }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Conv2d f;
    if (depth_as_height<T>(a, f)) {
      f.workspace = a.workspace;
      return Plane::run(f, team);
    }
    T* sums = static_cast<T*>(a.workspace.scratch);
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = Planes::seen(a, kd);
      Conv2d p = plane_of<T>(a, kd);
      Range mine = share(Plane::items(p), team);
      Plane::clear(p, sums, mine);
      for (ptrdiff_t n = 0; n < a.n && od.begin < od.end; n++)
        Plane::add(Planes::batch(a, n, kd, od, false), sums, mine);
      Plane::write(p, sums, mine);
    }
    Planes::bias(a, team);
  }
};
