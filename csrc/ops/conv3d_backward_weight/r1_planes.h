// Idea:  the weights of one tap in depth are those of a 2-D convolution between planes: conv2d_backward_weight's
// r2_tile
//        sums them, with all planes that meet the tap as the images of a batch.
// Since: r0_naive: everything that r2_tile does. Sums of several samples are added in dw.
// Why:   a tap sees whole planes, so nothing but the first and last planes is special.
// Price: kd passes over x and dy, one for each tap in depth.
#pragma once

template <class T>
struct conv3d_backward_weight_r1_planes : Plain<Conv3d> {
  using Plane = conv2d_backward_weight_r2_tile<T>;

  // Planes of y that tap kd sees x at.
  static Range seen(const Conv3d& a, ptrdiff_t kd) {
    ptrdiff_t start = kd * a.dilation_d - a.pad_d;
    Range r = {ceil_div(-start, a.stride_d), ceil_div(a.id - start, a.stride_d)};
    if (r.end > a.od) r.end = a.od;
    return r;
  }

  // One sample's planes as a batch; all samples' planes if they follow each other in memory and every plane counts.
  static Conv2d batch(const Conv3d& a, ptrdiff_t n, ptrdiff_t kd, Range od, bool all) {
    Conv2d p = plane_of<T>(a, kd);
    p.n = (od.end - od.begin) * (all ? a.n : 1);
    p.x = static_cast<T*>(a.x) + n * a.x_n + (od.begin * a.stride_d - a.pad_d + kd * a.dilation_d) * a.x_d;
    p.x_n = a.stride_d * a.x_d;
    p.y = static_cast<T*>(a.y) + n * a.y_n + od.begin * a.y_d, p.y_n = a.y_d;
    p.bias = nullptr;
    return p;
  }
  static bool together(const Conv3d& a, Range od) {
    return od.begin == 0 && od.end == a.od && a.x_n == a.od * a.stride_d * a.x_d && a.y_n == a.od * a.y_d;
  }

  static size_t scratch_bytes(const Conv3d& a, int threads) {
    Conv2d f;
    return size_t(threads) * (depth_as_height<T>(a, f) ? Plane::scratch_bytes(f, 1) : member_bytes(a));
  }
  static size_t member_bytes(const Conv3d& a) {
    size_t most = 0;  // the chunks of r2_tile depend on the number of images
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = seen(a, kd);
      if (od.begin >= od.end) continue;
      size_t bytes = Plane::scratch_bytes(batch(a, 0, kd, od, together(a, od)), 1);
      if (bytes > most) most = bytes;
    }
    return most;
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Conv2d f;
    if (depth_as_height<T>(a, f)) {
      f.workspace = a.workspace;
      return Plane::run(f, team);
    }
    size_t room = member_bytes(a);
    for (ptrdiff_t kd = 0; kd < a.kd; kd++) {
      Range od = seen(a, kd);
      bool all = together(a, od);
      if (od.begin >= od.end || a.n == 0) nothing(a, kd, team);
      else
        for (ptrdiff_t n = 0; n < (all ? 1 : a.n); n++) {
          Conv2d p = batch(a, n, kd, od, all);
          // r2_tile's member starts at rank * (what this call needs); here a member's memory must not move from call to
          // call, since others may still be at the last one.
          p.workspace.scratch =
              static_cast<char*>(a.workspace.scratch) + size_t(team.rank) * (room - Plane::scratch_bytes(p, 1));
          Plane::run(p, team, n > 0);
        }
    }
    bias(a, team);
  }

  static void nothing(const Conv3d& a, ptrdiff_t kd, const Team& team) noexcept {
    Range filters = share(a.oc, team);
    for (ptrdiff_t oc = filters.begin; oc < filters.end; oc++)
      for (ptrdiff_t ic = 0; ic < a.ic / a.groups; ic++)
        for (ptrdiff_t tap = 0; tap < a.kh * a.kw; tap++)
          static_cast<T*>(a.w)[oc * a.w_o + ic * a.w_i + kd * a.w_d + tap / a.kw * a.w_h + tap % a.kw * a.w_w] = T(0);
  }

  // dL/dbias: all rows of a sample as one image, if its planes touch, as results of conv3d do; otherwise as they lie.
  static void bias(const Conv3d& a, const Team& team) noexcept {
    if (!a.bias) return;
    if (a.y_d == a.oh * a.y_h) {
      Conv2d p = plane_of<T>(a, 0);
      p.n = a.n, p.oh = a.od * a.oh, p.y = a.y, p.y_n = a.y_n;
      return bias_gradient<T>(p, team);
    }
    Range channels = share(a.oc, team);
    for (ptrdiff_t oc = channels.begin; oc < channels.end; oc++) {
      const T* y = static_cast<const T*>(a.y) + oc * a.y_c;
      T sum = 0;
      for (ptrdiff_t plane = 0; plane < a.n * a.od; plane++) {
        T part = 0;
        for (ptrdiff_t oh = 0; oh < a.oh; oh++)
          for (ptrdiff_t ow = 0; ow < a.ow; ow++)
            part += y[plane / a.od * a.y_n + plane % a.od * a.y_d + oh * a.y_h + ow * a.y_w];
        sum += part;
      }
      static_cast<T*>(a.bias)[oc] = sum;
    }
  }
};
