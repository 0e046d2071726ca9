// Idea:  few input channels: planes are copied so that the taps in depth are channels of an image, which conv2d's rungs
//        for few channels do: taps, border or across.
// Since: r1_planes adds to y once for each tap in depth; with one input channel that is every 9 multiply-adds.
// Why:   kd * ic numbers are copied where kd * kh * kw * ic * oc are multiplied; y is written once.
// Price: multiplies by the zeros of padding in depth; the copy.
#pragma once
#include "unfold.h"

template <class T>
struct conv3d_r6_depth : Plain<Conv3d> {
  using U = Unfold<T>;
  static const char* supports(const Conv3d& a) {
    return a.y_c != 1 ? "wants channels-last y (y_c = 1)" : U::supports(a);
  }
  static const char* declines(const Conv3d& a) { return U::declines(a); }

  // f<rung of conv2d>(), of the one that would be chosen for an image.
  template <class F>
  static auto with_rung(const Conv3d& a, F f) {
    Conv2d p = U::image(a, U::chunk(a));
    if (takes<conv2d_r13_across<T>>(p)) return f.template operator()<conv2d_r13_across<T>>();
    if (takes<conv2d_r14_border<T>>(p)) return f.template operator()<conv2d_r14_border<T>>();
    if (takes<conv2d_r10_taps<T>>(p)) return f.template operator()<conv2d_r10_taps<T>>();
    return f.template operator()<conv2d_r5_pack<T>>();
  }
  template <class R>
  static bool takes(const Conv2d& p) {
    return !R::supports(p) && !R::declines(p);
  }

  static size_t packed_bytes(const Conv3d& a) {
    return with_rung(a, [&]<class R>() { return R::packed_bytes(U::image(a, 1)); });
  }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    with_rung(a, [&]<class R>() { R::prepare(U::image(a, 1), packed, team); });
  }

  // Of each member: the copies, then what the rung wants.
  static size_t copies(const Conv3d& a) { return (size_t(U::chunk(a) * U::plane_size(a)) * sizeof(T) + 63) / 64 * 64; }
  static size_t member_bytes(const Conv3d& a) {
    return with_rung(a, [&]<class R>() {
      size_t bytes = R::scratch_bytes(U::image(a, U::chunk(a)), 1);
      return copies(a) + (bytes + 63) / 64 * 64;
    });
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return size_t(threads) * member_bytes(a); }

  static void run(const Conv3d& a, const Team& team) noexcept {
    with_rung(a, [&]<class R>() { chunks<R>(a, team); });
  }

  template <class R>
  static void chunks(const Conv3d& a, const Team& team) noexcept {
    const Team alone{0, 1, nullptr, nullptr};
    char* scratch = static_cast<char*>(a.workspace.scratch) + size_t(team.rank) * member_bytes(a);
    T* copied = reinterpret_cast<T*>(scratch);
    Range mine = share(a.n * a.od, team);
    for (ptrdiff_t plane = mine.begin, count; plane < mine.end; plane += count) {
      ptrdiff_t n = plane / a.od, od = plane % a.od;
      count = U::chunk(a);
      if (count > a.od - od) count = a.od - od;
      if (count > mine.end - plane) count = mine.end - plane;
      for (ptrdiff_t k = 0; k < count; k++) U::copy(a, n, od + k, copied + k * U::plane_size(a));
      Conv2d p = U::image(a, count);
      p.x = copied, p.y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d;
      p.workspace.packed = a.workspace.packed, p.workspace.scratch = scratch + copies(a);
      R::run(p, alone);
    }
  }
};
