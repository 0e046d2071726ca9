// Idea:  a volume is a stack of images: y's plane is the sum of conv2d's r5_pack over the taps in depth, each added to
//        what the last one has left in y.
// Since: r0_naive: everything that r5_pack does within a plane. Neighbouring planes that see the same taps in depth go
//        together, as the images of a batch.
// Why:   within a tap of depth kh * kw * ic multiply-adds pass before a sum is put back: 576 for 3 x 3 x 64, 8,000
//        cycles a block, against 28 vectors loaded and stored. Taps on padding in depth are not computed.
// Price: with few input channels the sums go through y often: 3 channels x 3 x 3 are 27 multiply-adds a visit.
#pragma once
#include "planes.h"

template <class T>
struct conv3d_r1_planes : Plain<Conv3d> {
  using Plane = conv2d_r5_pack<T>;

  static size_t packed_tap(const Conv3d& a) { return (Plane::packed_bytes(plane_of<T>(a, 0)) + 63) / 64 * 64; }
  static size_t packed_bytes(const Conv3d& a) { return packed_tap(a) * size_t(a.kd); }

  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    for (ptrdiff_t kd = 0; kd < a.kd; kd++)
      Plane::prepare(plane_of<T>(a, kd), static_cast<char*>(packed) + size_t(kd) * packed_tap(a), team);
  }

  static Range seen(const Conv3d& a, ptrdiff_t od) {
    return window(od * a.stride_d - a.pad_d, a.id, a.kd, a.dilation_d);
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    ptrdiff_t most = planes_together<T>(a);
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t od = 0, count; od < a.od; od += count) {
        Range taps = seen(a, od);
        for (count = 1; count < most && od + count < a.od; count++) {
          Range next = seen(a, od + count);
          if (next.begin != taps.begin || next.end != taps.end) break;
        }
        planes(a, n, od, count, taps, team);
      }
  }

  // `count` planes of y from od on, all of which see the same taps in depth.
  static void planes(const Conv3d& a, ptrdiff_t n, ptrdiff_t od, ptrdiff_t count, Range taps,
                     const Team& team) noexcept {
    for (ptrdiff_t kd = taps.begin; kd < taps.end; kd++) {
      Conv2d p = plane_of<T>(a, kd);
      ptrdiff_t id = od * a.stride_d - a.pad_d + kd * a.dilation_d;
      p.n = count;
      p.x = static_cast<T*>(a.x) + n * a.x_n + id * a.x_d, p.x_n = a.stride_d * a.x_d;
      p.y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d, p.y_n = a.y_d;
      p.workspace.packed = static_cast<const char*>(a.workspace.packed) + size_t(kd) * packed_tap(a);
      Plane::run(p, team, kd > taps.begin);
    }
    if (taps.begin < taps.end) return;
    const T* bias = static_cast<const T*>(a.bias);  // nothing but padding
    Range rows = share(count * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      T* y = static_cast<T*>(a.y) + n * a.y_n + (od + row / a.oh) * a.y_d + row % a.oh * a.y_h;
      for (ptrdiff_t ow = 0; ow < a.ow; ow++)
        for (ptrdiff_t oc = 0; oc < a.oc; oc++) y[ow * a.y_w + oc * a.y_c] = bias ? bias[oc] : T(0);
    }
  }
};
