// Idea:  a plane of dx is the sum, over the taps in depth that meet it, of conv2d_backward_input on a plane of dy: its
//        rung phases, each tap added to what the last one has left.
// Since: r0_naive: planes of dx that meet the same taps go together, as the images of a batch: with a stride in depth
//        every stride-th plane.
// Why:   see conv3d's r1_planes; a kernel of depth alone is an image whose rows are planes.
// Price: with few output channels the sums go through dx often; its lanes are input channels alone.
#pragma once

template <class T>
struct conv3d_backward_input_r1_planes : Plain<Conv3d> {
  using Plane = conv2d_backward_input_r4_phases<T>;

  static size_t packed_tap(const Conv3d& a) { return (Plane::packed_bytes(plane_of<T>(a, 0)) + 63) / 64 * 64; }
  static size_t packed_bytes(const Conv3d& a) {
    Conv2d f;
    return depth_as_height<T>(a, f) ? Plane::packed_bytes(f) : packed_tap(a) * size_t(a.kd);
  }

  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    Conv2d f;
    if (depth_as_height<T>(a, f)) return Plane::prepare(f, packed, team);
    for (ptrdiff_t kd = 0; kd < a.kd; kd++)
      Plane::prepare(plane_of<T>(a, kd), static_cast<char*>(packed) + size_t(kd) * packed_tap(a), team);
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Conv2d f;
    if (depth_as_height<T>(a, f)) {
      f.workspace.packed = a.workspace.packed;
      return Plane::run(f, team);
    }
    ptrdiff_t most = planes_together<T>(a);
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t phase = 0; phase < a.stride_d && phase < a.id; phase++)
        for (ptrdiff_t id = phase, count; id < a.id; id += count * a.stride_d) {
          count = 1;
          while (count < most && id + count * a.stride_d < a.id && same_taps(a, id, id + count * a.stride_d)) count++;
          planes(a, n, id, count, team);
        }
  }

  // The plane of dy that tap kd meets from plane id, or -1.
  static ptrdiff_t met(const Conv3d& a, ptrdiff_t id, ptrdiff_t kd) {
    ptrdiff_t t = id + a.pad_d - kd * a.dilation_d;
    return t < 0 || t % a.stride_d || t / a.stride_d >= a.od ? -1 : t / a.stride_d;
  }

  static bool same_taps(const Conv3d& a, ptrdiff_t one, ptrdiff_t other) {
    for (ptrdiff_t kd = 0; kd < a.kd; kd++)
      if ((met(a, one, kd) < 0) != (met(a, other, kd) < 0)) return false;
    return true;
  }

  // `count` planes of dx, id, id + stride ..., which meet the same taps.
  static void planes(const Conv3d& a, ptrdiff_t n, ptrdiff_t id, ptrdiff_t count, const Team& team) noexcept {
    Conv2d p = plane_of<T>(a, 0);
    p.n = count;
    p.x = static_cast<T*>(a.x) + n * a.x_n + id * a.x_d, p.x_n = a.stride_d * a.x_d;
    bool add = false;
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      ptrdiff_t od = met(a, id, kd);
      if (od < 0) continue;
      p.w = plane_of<T>(a, kd).w;
      p.y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d, p.y_n = a.y_d;
      p.workspace.packed = static_cast<const char*>(a.workspace.packed) + size_t(kd) * packed_tap(a);
      Plane::run(p, team, add);
      add = true;
    }
    if (add) return;
    Conv2d empty = p;  // no tap meets them
    empty.y = p.x, empty.y_n = p.x_n, empty.y_c = a.x_c, empty.y_h = a.x_h, empty.y_w = a.x_w;
    empty.oc = a.ic, empty.oh = a.ih, empty.ow = a.iw;
    Plane::fill(empty, team);
  }
};
