// The epilogue of an operator: y = activation(y + add), done while y is still in a near cache, or in registers.
//
//    finish_sums(a, y, rows, row_step, columns, column_step, channels)
//
// A rung calls it when these outputs hold their whole sums: rows x columns places, `channels` neighbours (1 apart) at
// each. What it costs: a load and a store for each vector, next to the many multiply-adds that made it. `a` is any
// contract with `add`, `activation` and y (or c): add lies as y does, so its element has the same offset.
//
//    Finish<T> finish(a);    if (finish.simple) store(y, finish.clamp(sum + load(finish.add(y))))
//
// The same in registers for the epilogues of most networks, a residual and ReLU or ReLU6. (1x1, 64 -> 256 channels on
// 56x56 with both took 1.0 ms with finish_sums, 0.67 without an epilogue.)
#pragma once

// x * P(a normal variable is below x), the exact GELU (Hendrycks and Gimpel 2016).
inline double gelu_of(double x) { return x * 0.5 * __builtin_erfc(-x * 0.70710678118654752440); }

template <class T>
inline vec<T> gelu_vector(vec<T> x) {
  if constexpr (sizeof(T) == 4) {
    vec<float> phi = normal_tail(x).phi;
    return x * (x > 0.0f ? 1.0f - phi : phi);
  } else {
    return each_lane<T>(x, [](T lane) { return T(gelu_of(lane)); });
  }
}

// Comparisons that are false for NaN, so that NaN passes.
template <class T>
inline vec<T> activate(vec<T> y, int64_t activation) {
  switch (activation) {
    case ActRelu:
      return y < T(0) ? vec<T>{} : y;
    case ActRelu6:
      y = y < T(0) ? vec<T>{} : y;
      return y > T(6) ? broadcast<T>(T(6)) : y;
    case ActSilu:
      return y * sigmoid<T>(y);
    case ActSigmoid:
      return sigmoid<T>(y);
    case ActTanh:
      return tanh<T>(y);
    case ActGelu:
      return gelu_vector<T>(y);
    default:
      return y;
  }
}

template <class T>
inline T scalar_activate(T y, int64_t activation) {
  switch (activation) {
    case ActRelu:
      return y < 0 ? T(0) : y;
    case ActRelu6:
      return y < 0 ? T(0) : y > 6 ? T(6) : y;
    case ActSilu:
      return y * scalar_sigmoid<T>(y);
    case ActSigmoid:
      return scalar_sigmoid<T>(y);
    case ActTanh:
      return scalar_tanh<T>(y);
    case ActGelu:
      return T(gelu_of(y));
    default:
      return y;
  }
}

// The rest of a row of channels, and any activation, by f.
template <class T, class F>
inline __attribute__((always_inline)) void finish_places(T* y, ptrdiff_t add, ptrdiff_t rows, ptrdiff_t row_step,
                                                         ptrdiff_t columns, ptrdiff_t column_step, ptrdiff_t channels,
                                                         bool adds, F f) {
  for (ptrdiff_t row = 0; row < rows; row++)
    for (ptrdiff_t column = 0; column < columns; column++) {
      T* place = y + row * row_step + column * column_step;
      ptrdiff_t c = 0;
      for (; c + lanes<T> <= channels; c += lanes<T>) {
        vec<T> v = load<T>(place + c);
        if (adds) v += load<T>(place + add + c);
        store<T>(place + c, f(v));
      }
      if (c == channels) continue;
      vec<T> v = load_n<T>(place + c, channels - c);
      if (adds) v += load_n<T>(place + add + c, channels - c);
      store_n<T>(place + c, f(v), channels - c);
    }
}

template <class T>
__attribute__((noinline)) void finish_outputs(T* y, const T* add, int64_t activation, ptrdiff_t rows,
                                              ptrdiff_t row_step, ptrdiff_t columns, ptrdiff_t column_step,
                                              ptrdiff_t channels) noexcept {
  // How far add lies from y, in elements: both are multiples of an element's size.
  ptrdiff_t way = add ? (reinterpret_cast<intptr_t>(add) - reinterpret_cast<intptr_t>(y)) / ptrdiff_t(sizeof(T)) : 0;
  auto go = [&](auto f) __attribute__((always_inline)) {
    if (way) finish_places<T>(y, way, rows, row_step, columns, column_step, channels, true, f);
    else finish_places<T>(y, 0, rows, row_step, columns, column_step, channels, add != nullptr, f);
  };
  if (activation == ActRelu) go([](vec<T> v) { return v < T(0) ? vec<T>{} : v; });
  else if (activation == ActNone) go([](vec<T> v) { return v; });
  else go([=](vec<T> v) { return activate<T>(v, activation); });
}

template <class T, class A>
inline void finish_sums(const A& a, T* y, ptrdiff_t rows, ptrdiff_t row_step, ptrdiff_t columns, ptrdiff_t column_step,
                        ptrdiff_t channels) {
  if (!a.activation && !a.add) return;
  const T* base;
  if constexpr (requires { a.y; }) base = static_cast<const T*>(a.y);
  else base = static_cast<const T*>(a.c);
  const T* add = a.add ? static_cast<const T*>(a.add) + (y - base) : nullptr;
  finish_outputs<T>(y, add, a.activation, rows, row_step, columns, column_step, channels);
}

// Residual, ReLU and ReLU6 on sums in registers: bounds that are infinite where there is none.
template <class T>
struct Finish {
  bool simple, clamps;
  ptrdiff_t way;  // from y to add, in bytes
  bool adds;
  T low, high;

  template <class A>
  explicit Finish(const A& a)
      : Finish(a.activation, a.add, [&] {
          if constexpr (requires { a.y; }) return static_cast<const void*>(a.y);
          else return static_cast<const void*>(a.c);
        }()) {}
  Finish(int64_t activation, const void* add, const void* y)
      : simple(activation == ActNone || activation == ActRelu || activation == ActRelu6),
        clamps(activation != ActNone),
        way(add ? reinterpret_cast<intptr_t>(add) - reinterpret_cast<intptr_t>(y) : 0),
        adds(add != nullptr),
        low(activation == ActNone ? T(-__builtin_inff()) : T(0)),
        high(activation == ActRelu6 ? T(6) : T(__builtin_inff())) {}

  bool nothing() const { return !adds && !clamps; }
  // Where the residual of the output at y lies.
  const T* add(const T* y) const { return reinterpret_cast<const T*>(reinterpret_cast<intptr_t>(y) + way); }
  // Comparisons that are false for NaN, so that NaN passes.
  inline __attribute__((always_inline)) vec<T> clamp(vec<T> sum) const {
    sum = sum < low ? broadcast<T>(low) : sum;
    return sum > high ? broadcast<T>(high) : sum;
  }
};
