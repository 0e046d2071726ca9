// The formulas of the optimisers, on V: a number or a vector of them; and the walk over all parts of a step.
#pragma once

template <class V>
struct Numbers {
  V p, g, s0, s1, s2;
};

// The square root of every lane, correctly rounded on every ISA. (Masked on AVX-512: GCC 12 warns of its own plain
// one.)
template <class T, class V>
inline V square_root(V v) {
  if constexpr (sizeof(V) == sizeof(T)) {
    if constexpr (sizeof(T) == 4) return __builtin_sqrtf(v);
    else return __builtin_sqrt(v);
  } else {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return V(_mm512_maskz_sqrt_ps(__mmask16(-1), __m512(v)));
    else return V(_mm512_maskz_sqrt_pd(__mmask8(-1), __m512d(v)));
#elif defined(__AVX__)
    if constexpr (sizeof(T) == 4) return V(_mm256_sqrt_ps(__m256(v)));
    else return V(_mm256_sqrt_pd(__m256d(v)));
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4) return V(_mm_sqrt_ps(__m128(v)));
    else return V(_mm_sqrt_pd(__m128d(v)));
#else
    for (int i = 0; i < int(sizeof(V) / sizeof(T)); i++)
      v[i] = sizeof(T) == 4 ? T(__builtin_sqrtf(v[i])) : T(__builtin_sqrt(v[i]));
    return v;
#endif
  }
}

// The gradient as the formulas see it: its sign turned, the weight decay in it.
template <class T, class V>
inline V gradient_of(const Update& a, const Numbers<V>& x) {
  V g = a.maximize ? -x.g : x.g;
  return g + T(a.weight_decay) * x.p;
}

// Sutskever and others 2013, as PyTorch: b = momentum b + (1 - dampening) g, p -= lr b (nesterov: g + momentum b).
struct SgdRule {
  template <class T, class V>
  static inline void apply(const Update& a, Numbers<V>& x) {
    V g = gradient_of<T>(a, x);
    if (a.momentum != 0) {
      x.s0 = a.first ? g : T(a.momentum) * x.s0 + T(1 - a.dampening) * g;
      g = a.nesterov ? g + T(a.momentum) * x.s0 : x.s0;
    }
    x.p -= T(a.lr) * g;
  }
};

// Kingma and Ba 2015; decoupled decay: Loshchilov and Hutter 2019.
struct AdamRule {
  template <class T, class V>
  static inline void apply(const Update& a, Numbers<V>& x) {
    V g = gradient_of<T>(a, x);
    x.p *= T(1 - a.shrink);
    x.s0 += T(1 - a.beta1) * (g - x.s0);  // one rounding less than beta1 s0 + (1 - beta1) g
    x.s1 = T(a.beta2) * x.s1 + T(1 - a.beta2) * g * g;
    if (a.option) x.s2 = x.s2 > x.s1 ? x.s2 : x.s1;
    V size = square_root<T>(a.option ? x.s2 : x.s1) / T(a.root) + T(a.eps);
    x.p -= T(a.lr) * (x.s0 / size);
  }
};

// Hinton's lecture 6e; centered: Graves 2013.
struct RmspropRule {
  template <class T, class V>
  static inline void apply(const Update& a, Numbers<V>& x) {
    V g = gradient_of<T>(a, x);
    x.s0 = T(a.beta2) * x.s0 + T(1 - a.beta2) * g * g;
    if (a.option) x.s1 += T(1 - a.beta2) * (g - x.s1);
    V size = square_root<T>(a.option ? x.s0 - x.s1 * x.s1 : x.s0) + T(a.eps);
    V step = g / size;
    if (a.momentum != 0) step = x.s2 = T(a.momentum) * x.s2 + step;
    x.p -= T(a.lr) * step;
  }
};

// Duchi, Hazan and Singer 2011.
struct AdagradRule {
  template <class T, class V>
  static inline void apply(const Update& a, Numbers<V>& x) {
    V g = gradient_of<T>(a, x);
    x.s0 += g * g;
    x.p -= T(a.lr) * (g / (square_root<T>(x.s0) + T(a.eps)));
  }
};

// Zeiler 2012.
struct AdadeltaRule {
  template <class T, class V>
  static inline void apply(const Update& a, Numbers<V>& x) {
    V g = gradient_of<T>(a, x);
    x.s0 = T(a.beta2) * x.s0 + T(1 - a.beta2) * g * g;
    V step = square_root<T>(x.s1 + T(a.eps)) / square_root<T>(x.s0 + T(a.eps)) * g;
    x.s1 = T(a.beta2) * x.s1 + T(1 - a.beta2) * step * step;
    x.p -= T(a.lr) * step;
  }
};

// body(part, n): this member's share of all parts, a part (or a piece of it) at a time. The numbers are shared like
// one long row; every number is computed on its own, so results do not depend on the team.
template <class T, class F>
inline void each_part(const Update& a, const Team& team, F body) {
  const UpdatePart own = {a.p, a.grad, a.s0, a.s1, a.s2, a.n};
  const UpdatePart* parts = a.parts ? a.parts : &own;
  ptrdiff_t count = a.parts ? a.count : 1, total = 0, start = 0;
  for (ptrdiff_t k = 0; k < count; k++) total += parts[k].n;
  Range mine = share(total, team, 64);
  for (ptrdiff_t k = 0; k < count; start += parts[k].n, k++) {
    ptrdiff_t begin = mine.begin > start ? mine.begin - start : 0;
    ptrdiff_t end = mine.end - start < parts[k].n ? mine.end - start : parts[k].n;
    if (begin >= end) continue;
    auto at = [begin](void* s) { return s ? static_cast<T*>(s) + begin : nullptr; };
    const UpdatePart& p = parts[k];
    body(UpdatePart{at(p.p), static_cast<const T*>(p.grad) + begin, at(p.s0), at(p.s1), at(p.s2), end - begin},
         end - begin);
  }
}

// `count` numbers, V at a time (count is a multiple). Never inlined: the compiler may fuse other multiply-adds in
// another copy, and then the same number would give other bits at the end of a part.
template <class T, class V, class Rule>
__attribute__((noinline)) void update_dense(const Update& args, const UpdatePart& part, ptrdiff_t count) {
  const Update a = args;  // a copy of its own: stores through p cannot change it, so it stays in registers
  T *p = static_cast<T*>(part.p), *s0 = static_cast<T*>(part.s0), *s1 = static_cast<T*>(part.s1);
  T* s2 = static_cast<T*>(part.s2);
  const T* g = static_cast<const T*>(part.grad);
  typedef V anywhere __attribute__((aligned(sizeof(T)), may_alias));
  auto get = [](const T* from) { return V(*reinterpret_cast<const anywhere*>(from)); };
  auto put = [](T* to, V v) { *reinterpret_cast<anywhere*>(to) = v; };
  for (ptrdiff_t i = 0; i < count; i += ptrdiff_t(sizeof(V) / sizeof(T))) {
    Numbers<V> x = {get(p + i), get(g + i), V{}, V{}, V{}};
    if (s0) x.s0 = get(s0 + i);
    if (s1) x.s1 = get(s1 + i);
    if (s2) x.s2 = get(s2 + i);
    Rule::template apply<T>(a, x);
    put(p + i, x.p);
    if (s0) put(s0 + i, x.s0);
    if (s1) put(s1 + i, x.s1);
    if (s2) put(s2 + i, x.s2);
  }
}

template <class T, class Rule>
inline void update_numbers(const Update& a, const Team& team) {
  each_part<T>(a, team, [&](const UpdatePart& part, ptrdiff_t n) { update_dense<T, T, Rule>(a, part, n); });
}

// A vector at a time; what is left at the end of a part goes through a buffer of one vector.
template <class T, class Rule>
inline void update_vectors(const Update& a, const Team& team) {
  constexpr ptrdiff_t L = lanes<T>;
  each_part<T>(a, team, [&](const UpdatePart& part, ptrdiff_t n) {
    ptrdiff_t whole = n / L * L;
    update_dense<T, vec<T>, Rule>(a, part, whole);
    if (whole == n) return;
    T buffer[5][L] = {};
    const void* from[5] = {part.p, part.grad, part.s0, part.s1, part.s2};
    for (int k = 0; k < 5; k++)
      for (ptrdiff_t i = whole; from[k] && i < n; i++) buffer[k][i - whole] = static_cast<const T*>(from[k])[i];
    UpdatePart rest = {buffer[0],
                       buffer[1],
                       part.s0 ? buffer[2] : nullptr,
                       part.s1 ? buffer[3] : nullptr,
                       part.s2 ? buffer[4] : nullptr,
                       L};
    update_dense<T, vec<T>, Rule>(a, rest, L);
    void* to[5] = {part.p, nullptr, part.s0, part.s1, part.s2};
    for (int k = 0; k < 5; k++)
      for (ptrdiff_t i = whole; to[k] && i < n; i++) static_cast<T*>(to[k])[i] = buffer[k][i - whole];
  });
}
