// Idea:  few input channels: planes are copied so that the taps in depth are channels of an image; dw is then
//        conv2d_backward_weight's r2_tile of these images.
// Since: r1_planes passes over dy once for each tap in depth; with one input channel its blocks are 3 rows high.
// Why:   3 x 3 numbers of a kernel row make a block of 9 rows for one vector of dy.
// Price: multiplies by the zeros of padding in depth; the copy; the team meets twice for each chunk of planes.
#pragma once
#include "../conv3d/unfold.h"
#include "r1_planes.h"

template <class T>
struct conv3d_backward_weight_r5_depth : Plain<Conv3d> {
  using U = Unfold<T>;
  using Plane = conv2d_backward_weight_r2_tile<T>;
  static const char* supports(const Conv3d& a) { return U::supports(a); }
  static const char* declines(const Conv3d& a) {
    if (a.ic > 4 || a.kd == 1) return "planes has blocks as high: 6 -> 64 channels take 1.04 times as long here";
    return U::declines(a);
  }
  static bool takes(const Conv3d& a) { return !supports(a) && !declines(a); }

  static Conv2d image(const Conv3d& a, ptrdiff_t count) {
    Conv2d p = U::image(a, count);
    p.bias = nullptr;
    return p;
  }
  static size_t copies(const Conv3d& a) { return (size_t(U::chunk(a) * U::plane_size(a)) * sizeof(T) + 63) / 64 * 64; }
  // r2_tile's chunks depend on the number of images: a sample's last chunk of planes may have fewer.
  static size_t member_bytes(const Conv3d& a) {
    ptrdiff_t chunk = U::chunk(a), rest = a.od % chunk;
    size_t bytes = Plane::scratch_bytes(image(a, chunk), 1), less = rest ? Plane::scratch_bytes(image(a, rest), 1) : 0;
    return bytes > less ? bytes : less;
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) {
    return a.n * a.od * a.oh * a.ow == 0 ? 0 : copies(a) + size_t(threads) * member_bytes(a);
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    using Planes = conv3d_backward_weight_r1_planes<T>;
    if (a.n * a.od * a.oh * a.ow == 0) {
      for (ptrdiff_t kd = 0; kd < a.kd; kd++) Planes::nothing(a, kd, team);
      return Planes::bias(a, team);
    }
    T* copied = static_cast<T*>(a.workspace.scratch);
    char* own = static_cast<char*>(a.workspace.scratch) + copies(a);
    ptrdiff_t chunk = U::chunk(a);
    bool add = false;
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t od = 0; od < a.od; od += chunk) {
        ptrdiff_t count = a.od - od < chunk ? a.od - od : chunk;
        Range mine = share(count, team);
        for (ptrdiff_t k = mine.begin; k < mine.end; k++) U::copy(a, n, od + k, copied + k * U::plane_size(a));
        team.barrier(&team);
        Conv2d p = image(a, count);
        p.x = copied, p.y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d;
        // As in r1_planes: a member's memory must not move from call to call.
        p.workspace.scratch = own + size_t(team.rank) * (member_bytes(a) - Plane::scratch_bytes(p, 1));
        Plane::run(p, team, add);
        add = true;
        team.barrier(&team);  // before the copies are overwritten
      }
    Planes::bias(a, team);
  }
};
