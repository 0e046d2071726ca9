// Winograd's F(M x M, 3 x 3) within planes (conv2d/winograd.h), sums over the taps in depth: what the rungs of conv3d
// and of its backward pass share. A plane of y is a 2-D convolution whose input channels are (kd, ic), those of tap kd
// lying in another plane of x; so the sum over depth is part of the matrix products, and y is written once.
#pragma once
#include "planes.h"

// dL/dx at stride 1 as a convolution: of dy, with the weights turned round.
template <class T>
inline Conv3d turned(const Conv3d& a) {
  Conv3d f = a;
  f.x = a.y, f.x_n = a.y_n, f.x_c = a.y_c, f.x_d = a.y_d, f.x_h = a.y_h, f.x_w = a.y_w;
  f.y = a.x, f.y_n = a.x_n, f.y_c = a.x_c, f.y_d = a.x_d, f.y_h = a.x_h, f.y_w = a.x_w;
  f.ic = a.oc, f.id = a.od, f.ih = a.oh, f.iw = a.ow;
  f.oc = a.ic, f.od = a.id, f.oh = a.ih, f.ow = a.iw;
  f.w = static_cast<T*>(a.w) + (a.kd - 1) * a.w_d + (a.kh - 1) * a.w_h + (a.kw - 1) * a.w_w;
  f.w_o = a.w_i, f.w_i = a.w_o, f.w_d = -a.w_d, f.w_h = -a.w_h, f.w_w = -a.w_w;
  f.pad_d = (a.kd - 1) * a.dilation_d - a.pad_d;
  f.pad_h = (a.kh - 1) * a.dilation_h - a.pad_h, f.pad_w = (a.kw - 1) * a.dilation_w - a.pad_w;
  f.stride_d = f.stride_h = f.stride_w = 1;
  return f;
}

template <class T, int M>
struct Winograd3d {
  using W = Winograd<T, M>;
  using Job = typename W::Job;

  static const char* supports(const Conv3d& a) {
    if (a.kh != 3 || a.kw != 3) return "the kernel is not 3x3 within a plane";
    if (a.stride_h != 1 && a.oh > 1) return "the stride is not 1 within a plane";
    if (a.stride_w != 1 && a.ow > 1) return "the stride is not 1 within a plane";
    return a.dilation_h != 1 || a.dilation_w != 1 ? "the kernel is dilated within a plane" : nullptr;
  }

  static const char* declines(const Conv3d& a) {
    if (a.precision >= (M == 4 ? High : Exact)) return "the precision setting rules it out";
    Job j = job_of_all(a);
    // u comes from far for each sample and once more for its first and last planes, which W::cycles does not count.
    // 256 -> 512 channels of 4x7x7, 16 tiles and 56 MB: 16.0 ms, with r1_planes 12.7. With 16 registers see `cycles`.
    if (isa_registers == 32 && W::fetch_cycles(double(j.u_group())) > 0 && job(a, 0).tiles() < 4 * W::least_tiles)
      return "too few tiles in a sample for so many weights";
    double here = cycles(a);
    if (here >= W::direct_cycles(j)) return "the transforms would cost more than they save";
    if (M == 4 && here >= Winograd3d<T, 2>::cycles(a)) return "smaller tiles waste less of their outputs here";
    return nullptr;
  }
  // All products and transforms; or bringing u in, if that takes longer, for each sample's first, middle and last
  // planes: 9 bytes a cycle from L3, 3 from memory. On Zen 3, 2 samples of 256 -> 512 channels, 4x7x7: F(2x2) 23.5 ms,
  // F(4x4), whose u are 56 MB, 34, r1_planes 33; a sample of 128 -> 256 channels, 4x14x14: 9.0, 8.4 and 16 ms.
  static double cycles(const Conv3d& a) {
    Job j = job_of_all(a);
    double work = W::cycles(j), bytes = double(j.u_group()) * sizeof(T);
    if (isa_registers == 32) return work;
    double fetch = double(a.n * (a.od < 3 ? a.od : 3)) * bytes / (bytes > (16 << 20) ? 3 : 9);
    return work > fetch ? work : fetch;
  }
  static Job job_of_all(const Conv3d& a) {
    Job j = job(a, 0);
    j.n = a.n * a.od;
    return j;
  }

  // `group`: in w, from one group to the next. The images of the job are planes of one sample.
  static Job job(const Conv3d& a, ptrdiff_t group) {
    Job j = {};
    j.w = static_cast<const T*>(a.w), j.bias = static_cast<const T*>(a.bias);
    j.packed = static_cast<const T*>(a.workspace.packed), j.scratch = static_cast<T*>(a.workspace.scratch);
    j.n = a.od, j.groups = a.groups, j.ic = a.kd * (a.ic / a.groups), j.oc = a.oc / a.groups;
    j.ih = a.ih, j.iw = a.iw, j.oh = a.oh, j.ow = a.ow, j.pad_h = a.pad_h, j.pad_w = a.pad_w;
    j.x_n = a.stride_d * a.x_d, j.x_c = a.x_c, j.x_h = a.x_h, j.x_w = a.x_w;
    j.spill = lanes<T> - 1;  // the last vector of the last tap's channels
    j.w_g = group, j.w_o = a.w_o, j.w_i = a.w_i, j.w_h = a.w_h, j.w_w = a.w_w;
    j.y_n = a.y_d, j.y_c = a.y_c, j.y_h = a.y_h, j.y_w = a.y_w;
    return j;
  }

  static size_t packed_bytes(const Conv3d& a) { return W::packed_bytes(job(a, 0)); }
  static size_t scratch_bytes(const Conv3d& a, int threads) { return job(a, 0).scratch_bytes(threads); }

  // As W::prepare: u is [groups][panel][point][kd, ic][vectors of the panel * L].
  static void prepare(const Conv3d& a, ptrdiff_t group, void* packed, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    Job j = job(a, group);
    ptrdiff_t group_ic = a.ic / a.groups;
    Range mine = share(j.groups * j.vectors(), team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t g = item / j.vectors(), vector = item % j.vectors(), panel = vector / W::most;
      while (j.first_vector(panel + 1) <= vector) panel++;
      ptrdiff_t wide = j.panel_vectors(panel) * L, oc = vector * L, count = j.oc - oc < L ? j.oc - oc : L;
      ptrdiff_t point = j.u_point(int(wide / L));
      T* u = static_cast<T*>(packed) + g * j.u_group() + j.u_panel(panel) + (vector - j.first_vector(panel)) * L;
      const T* w = j.w + g * j.w_g + oc * j.w_o;
      for (ptrdiff_t kd = 0; kd < a.kd; kd++)
        for (ptrdiff_t ic = 0; ic < group_ic; ic++, u += wide)
          W::filters(j, w + kd * a.w_d + ic * j.w_i, count, u, point);
      u -= j.ic * wide;
      for (int p = 0; vector + 1 == j.first_vector(panel + 1) && p < W::points; p++)  // not needed, never undefined
        for (ptrdiff_t i = 0; i < W::pad; i++) u[(p + 1) * point - W::pad - (wide - L) + i] = 0;
    }
  }

  static void run(const Conv3d& a, const Team& team) noexcept {
    Job j = job(a, 0);
    size_t room = j.scratch_bytes(team.size) / size_t(team.size) / sizeof(T);  // of a member, for any batch of planes
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t od = 0, count; od < a.od; od += count) {
        Range taps = seen(a, od);
        for (count = 1; od + count < a.od; count++) {
          Range next = seen(a, od + count);
          if (next.begin != taps.begin || next.end != taps.end) break;
        }
        j.n = count;
        j.scratch = static_cast<T*>(a.workspace.scratch) + team.rank * room;
        j.x = static_cast<const T*>(a.x) + n * a.x_n + (od * a.stride_d - a.pad_d) * a.x_d;
        j.y = static_cast<T*>(a.y) + n * a.y_n + od * a.y_d;
        planes(a, j, taps, team);
      }
  }

  static Range seen(const Conv3d& a, ptrdiff_t od) {
    Range r = window(od * a.stride_d - a.pad_d, a.id, a.kd, a.dilation_d);
    return r.begin < r.end ? r : Range{0, 0};  // none: the sums are of nothing, and y is the bias
  }

  // Planes that see the same taps in depth: as W::run, each tile with those taps' channels one after the other.
  static void planes(const Conv3d& a, const Job& j, Range taps, const Team& team) noexcept {
    ptrdiff_t all = ceil_div(j.tiles(), team.size), most_tiles = j.block() < all ? j.block() : all;
    ptrdiff_t plane = j.v_plane(most_tiles), group_ic = a.ic / a.groups;
    T *v = j.scratch, *m = v + W::points * plane;
    Job tap = j;
    tap.ic = group_ic;
    Range mine = share(j.tiles(), team), depth = {taps.begin * group_ic, taps.end * group_ic};
    ptrdiff_t blocks = mine.end > mine.begin ? ceil_div(mine.end - mine.begin, most_tiles) : 0;
    for (ptrdiff_t block = 0; block < blocks; block++) {
      ptrdiff_t first = mine.begin + (mine.end - mine.begin) * block / blocks;
      ptrdiff_t count = mine.begin + (mine.end - mine.begin) * (block + 1) / blocks - first;
      for (ptrdiff_t g = 0; g < j.groups; g++) {
        // Ascending taps: what the last vector of channels writes beyond them belongs to the next tap.
        for (ptrdiff_t t = 0; t < count; t++)
          for (ptrdiff_t kd = taps.begin; kd < taps.end; kd++)
            W::inputs(tap, j.x + kd * a.dilation_d * a.x_d + g * group_ic * j.x_c, first + t, 1,
                      v + t * j.v_row() + kd * group_ic, plane);
        for (ptrdiff_t panel = 0; panel < j.panels(); panel++) {
          const T* u = j.packed + g * j.u_group() + j.u_panel(panel);
          int vectors = j.panel_vectors(panel);
          if (vectors == 1) products<1>(j, u, depth, count, v, plane, m);
          else if (vectors == 2) products<2>(j, u, depth, count, v, plane, m);
          if constexpr (W::most == 4) {
            if (vectors == 3) products<3>(j, u, depth, count, v, plane, m);
            else if (vectors == 4) products<4>(j, u, depth, count, v, plane, m);
          }
          W::outputs(j, j.y + g * j.oc * j.y_c, j.bias ? j.bias + g * j.oc : nullptr, j.first_vector(panel) * lanes<T>,
                     vectors, first, count, m);
        }
      }
    }
  }

  template <int V>
  static void products(const Job& j, const T* u, Range depth, ptrdiff_t tiles, const T* v, ptrdiff_t plane,
                       T* m) noexcept {
    for (int p = 0; p < W::points; p++)
      add_product<V, T>(m + p * Job::m_point, Job::m_tile, V * lanes<T>, tiles, false, v + p * plane + depth.begin,
                        j.v_row(), 1, u + p * j.u_point(V) + depth.begin * V * lanes<T>, depth.end - depth.begin);
  }
};
