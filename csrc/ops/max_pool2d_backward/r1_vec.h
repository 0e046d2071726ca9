// Idea:  turn the loops round: every input asks the windows that cover it "am I the one?" and adds their gradients,
//        a vector of neighbouring channels at a time.
// Since: r0_naive: a gather instead of a scatter, lanes over channels.
// Why:   a scatter cannot use vectors (lanes go to different places) and needs zeros first; a gather writes each result
//        once, and any row can be anybody's share.
// Price: an index is read once for each input in its window, so large overlapping windows (3x3, stride 1) cost nine
//        looks for each gradient. An index outside its own window, which max_pool2d never writes, finds nobody.
#pragma once

template <class T>
struct max_pool2d_backward_r1_vec : Plain<Pool2d> {
  using Places = typename vec_of<int32_t, lanes<T>>::type;
  using WidePlaces = typename vec_of<int64_t, lanes<T>>::type;

  static const char* supports(const Pool2d& a) {
    if (a.x_c != 1 || a.y_c != 1 || a.indices_c != 1) return "needs channels-last arrays (x_c = y_c = indices_c = 1)";
    if (a.ih * a.iw > INT32_MAX) return "needs fewer than 2^31 elements in a plane";
    return nullptr;
  }

  // Windows o in [0, size) that may hold input i: o * stride - pad <= i <= o * stride - pad + reach.
  static Range covering(ptrdiff_t i, ptrdiff_t pad, ptrdiff_t reach, ptrdiff_t stride, ptrdiff_t size) {
    ptrdiff_t last = (i + pad) / stride, first = i + pad < reach ? 0 : (i + pad - reach + stride - 1) / stride;
    return {first, last < size ? last + 1 : size};
  }

  static void run(const Pool2d& a, const Team& team) noexcept {
    constexpr int L = lanes<T>;
    ptrdiff_t reach_h = (a.kernel_h - 1) * a.dilation_h, reach_w = (a.kernel_w - 1) * a.dilation_w;
    Range rows = share(a.n * a.ih, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.ih, ih = row % a.ih;
      Range oh = covering(ih, a.pad_h, reach_h, a.stride_h, a.oh);
      for (ptrdiff_t iw = 0; iw < a.iw; iw++) {
        Range ow = covering(iw, a.pad_w, reach_w, a.stride_w, a.ow);
        T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w;  // [c]
        const T* y = static_cast<const T*>(a.y) + n * a.y_n;                // [oh, ow, c]
        const int64_t* indices = a.indices + n * a.indices_n;               // [oh, ow, c]
        int32_t me = int32_t(ih * a.iw + iw);
        ptrdiff_t c = 0;
        for (; c + L <= a.c; c += L) {
          auto load_y = [](const T* p) { return load<T>(p); };
          store<T>(x + c, gather(a, y + c, indices + c, oh, ow, me, load_y, L));
        }
        if (c < a.c) {
          auto load_y = [n = a.c - c](const T* p) { return load_n<T>(p, n); };
          store_n<T>(x + c, gather(a, y + c, indices + c, oh, ow, me, load_y, a.c - c), a.c - c);
        }
      }
    }
  }

  template <class Load>
  static inline __attribute__((always_inline)) vec<T> gather(const Pool2d& a, const T* y, const int64_t* indices,
                                                             Range oh, Range ow, int32_t me, Load load_y,
                                                             ptrdiff_t count) {
    vec<T> sum = {};
    for (ptrdiff_t h = oh.begin; h < oh.end; h++)
      for (ptrdiff_t w = ow.begin; w < ow.end; w++) {
        auto is_me = load_places(indices + h * a.indices_h + w * a.indices_w, count) == me;
        sum += is_me ? load_y(y + h * a.y_h + w * a.y_w) : vec<T>{};
      }
    return sum;
  }

  static inline __attribute__((always_inline)) Places load_places(const int64_t* p, ptrdiff_t count) {
    WidePlaces wide = {};
    __builtin_memcpy(&wide, p, size_t(count) * sizeof(int64_t));
    if constexpr (lanes<T> == 1) return Places(wide);
    else return __builtin_convertvector(wide, Places);
  }
};
