// Idea:  few input or few output channels: planes are copied so that the taps in depth are channels of an image, which
//        conv2d's rungs do. Kernels of one tap in depth, or of depth alone, are images as they are.
// Since: r1_planes adds to y once for each tap in depth; with one input channel that is every 9 multiply-adds. And it
//        has pack for every plane, with channels in the lanes.
// Why:   kd * ic numbers are copied where kd * kh * kw * ic * oc are multiplied; y is written once.
// Price: multiplies by the zeros of padding in depth; the copy.
#pragma once
#include "unfold.h"

template <class T>
struct conv3d_r6_depth : Plain<Conv3d> {
  using U = Unfold<T>;
  static const char* supports(const Conv3d& a) {
    Conv2d p;
    if (a.y_c != 1) return "wants channels-last y (y_c = 1)";
    return as_images<T>(a, p) ? nullptr : U::supports(a);
  }
  static const char* declines(const Conv3d& a) {
    Conv2d p;
    if (as_images<T>(a, p) || few_outputs(a)) return nullptr;
    return U::declines(a);
  }

  // Whether conv2d's dots or across takes the images: planes would leave most lanes idle.
  static bool few_outputs(const Conv3d& a) {
    if (U::supports(a) || a.ic * a.kd > most_turned || (a.pad_d > 0 && a.precision >= Exact)) return false;
    return conv2d_r15_dots<T>::few_outputs(U::image(a, 1));
  }
  static constexpr ptrdiff_t most_turned = 128;  // channels of an image

  // Whether Winograd's transforms of so few channels, or to so few, cost more than they save: 3 -> 64 channels of
  // 16x56x56 4.6 ms and 4.8 by F(4x4), 6 -> 8 of 4x48x48 1.2 and 1.4, but 6 -> 64 of 5x16x16 0.75 and 0.39; 12 -> 4 of
  // 16x32x32 0.78 and 1.00, 32 -> 1 0.74 and 2.08.
  static bool instead_of_winograd(const Conv3d& a) {
    if (few_outputs(a)) return true;
    return !U::supports(a) && !U::declines(a) && (a.ic * a.kd <= 10 || 2 * a.oc <= lanes<T>);
  }

  // f<rung of conv2d>(image), of the rung that would be chosen for the image.
  template <class F>
  static auto with_rung(const Conv3d& a, F f) {
    Conv2d p;
    if (!as_images<T>(a, p)) p = U::image(a, U::chunk(a));
    if (takes<conv2d_r15_dots<T>>(p)) return f.template operator()<conv2d_r15_dots<T>>(p);
    if (takes<conv2d_r13_across<T>>(p)) return f.template operator()<conv2d_r13_across<T>>(p);
    if (takes<conv2d_r14_border<T>>(p)) return f.template operator()<conv2d_r14_border<T>>(p);
    if (takes<conv2d_r12_matrix<T>>(p)) return f.template operator()<conv2d_r12_matrix<T>>(p);
    if (takes<conv2d_r11_group<T>>(p)) return f.template operator()<conv2d_r11_group<T>>(p);
    if (takes<conv2d_r10_taps<T>>(p)) return f.template operator()<conv2d_r10_taps<T>>(p);
    return f.template operator()<conv2d_r5_pack<T>>(p);
  }
  template <class R>
  static bool takes(const Conv2d& p) {
    return !R::supports(p) && !R::declines(p);
  }

  static size_t packed_bytes(const Conv3d& a) {
    return with_rung(a, []<class R>(const Conv2d& p) { return R::packed_bytes(p); });
  }
  static void prepare(const Conv3d& a, void* packed, const Team& team) noexcept {
    with_rung(a, [&]<class R>(const Conv2d& p) { R::prepare(p, packed, team); });
  }

  // Of each member: the copies, then what the rung wants. Images as they are want no copies.
  static size_t copies(const Conv3d& a) { return (size_t(U::chunk(a) * U::plane_size(a)) * sizeof(T) + 63) / 64 * 64; }
  static size_t member_bytes(const Conv3d& a) {
    return with_rung(a, [&]<class R>(const Conv2d& p) {
      size_t bytes = R::scratch_bytes(p, 1);
      return copies(a) + (bytes + 63) / 64 * 64;
    });
  }
  static size_t scratch_bytes(const Conv3d& a, int threads) {
    Conv2d image;
    if (!as_images<T>(a, image)) return size_t(threads) * member_bytes(a);
    return with_rung(a, [&]<class R>(const Conv2d& p) { return R::scratch_bytes(p, threads); });
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Conv2d first;
    ptrdiff_t times = as_images<T>(a, first);
    with_rung(a, [&]<class R>(const Conv2d&) {
      if (times == 0) return chunks<R>(a, team);
      first.workspace = a.workspace;
      for (ptrdiff_t n = 0; n < times; n++) {
        Conv2d p = first;
        p.x = static_cast<T*>(a.x) + n * a.x_n, p.y = static_cast<T*>(a.y) + n * a.y_n;
        R::run(p, team);
      }
    });
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
