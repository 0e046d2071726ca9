// Rows that occur again: one-hot or embedded characters, padding. What follows from a row alone needs to be computed
// only once for all rows that are alike, bit by bit: in a recurrent layer the product of x with w_ih; and where rows
// are multiplied and added up (the gradient of w_ih), what they are multiplied with can be added up first.
//
// Finding them costs about as much as 2 multiply-adds for each number of a row. Where there are no repetitions that is
// noticed after the first 64 rows.
#pragma once

template <class T>
struct Repeats {
  ptrdiff_t all, size;  // rows, and numbers in each
  T* rows;              // [most][size]: the distinct ones
  int32_t* ids;         // [all]: which of them a row is, -1: it does not count
  int32_t* count;       // how many there are, 0: too many
  uint32_t* hashes;     // [most]
  int32_t* slots;       // [slot_count]: 1 + a distinct row, 0: empty

  // Distinct rows that are worth it: half of all at most, and as many as bytes or characters have values, twice.
  static ptrdiff_t most(ptrdiff_t all) { return all < trial ? 0 : all / 2 < 512 ? all / 2 : 512; }
  static constexpr ptrdiff_t trial = 64, trial_most = 60, slot_count = 2048, probes = 16;

  // In numbers of type T.
  static ptrdiff_t memory(ptrdiff_t all, ptrdiff_t size) {
    if (most(all) == 0) return 0;
    ptrdiff_t words = all + 1 + most(all) + slot_count;
    return most(all) * size + (words * 4 + ptrdiff_t(sizeof(T)) - 1) / ptrdiff_t(sizeof(T));
  }
  static Repeats in(T* memory, ptrdiff_t all, ptrdiff_t size) {
    int32_t* ids = reinterpret_cast<int32_t*>(memory + most(all) * size);
    int32_t* count = ids + all;
    uint32_t* hashes = reinterpret_cast<uint32_t*>(count + 1);
    return {all, size, memory, ids, count, hashes, reinterpret_cast<int32_t*>(hashes + most(all))};
  }
  bool found() const { return most(all) > 0 && *count > 0; }

  // row(t, n): where row t * batch + n lies, or null if it does not count. By one member of a team.
  template <class Row>
  void find(ptrdiff_t batch, Row row) const {
    *count = 0;
    if (!fill(batch, row)) *count = 0;
  }

  template <class Row>
  bool fill(ptrdiff_t batch, Row row) const {
    __builtin_memset(slots, 0, slot_count * sizeof *slots);
    for (ptrdiff_t r = 0, t = 0; r < all; t++)
      for (ptrdiff_t n = 0; n < batch; n++, r++) {
        if (r == trial && *count > trial_most) return false;
        const T* x = row(t, n);
        ids[r] = x ? id_of(x) : -1;
        if (x && ids[r] < 0) return false;
      }
    return true;
  }

  // The distinct row that x is, a new one if need be; -1: there are too many.
  int32_t id_of(const T* x) const {
    uint32_t hash = hash_of(x);
    for (ptrdiff_t probe = 0; probe < probes; probe++) {
      int32_t& slot = slots[(hash + uint32_t(probe)) % slot_count];
      if (slot == 0) {
        if (*count == most(all)) return -1;
        __builtin_memcpy(rows + *count * size, x, size_t(size) * sizeof(T));
        hashes[*count] = hash;
        slot = ++*count;
      }
      if (hashes[slot - 1] == hash && same(rows + (slot - 1) * size, x)) return slot - 1;
    }
    return -1;
  }

  // A row as words of 32 bits, a register of them at a time: f(number of the register, words). The last register is
  // filled with the words before it, or, in a row that is shorter than a register, with zeros.
  using Words = typename vec_of<uint32_t, lanes<float>>::type;
  static constexpr ptrdiff_t per = sizeof(T) / 4, L = lanes<float>;
  static Words words_at(const T* x, ptrdiff_t k) {
    return __builtin_bit_cast(Words, load<float>(reinterpret_cast<const float*>(x) + k));
  }
  static Words words_of(const T* x, ptrdiff_t count) {
    Words words = {};
    __builtin_memcpy(&words, x, size_t(count) * 4);
    return words;
  }
  template <class F>
  void each(F f) const {
    ptrdiff_t words = size * per, k = 0, j = 0;
    if (words < L) return f(0, [=](const T* x) { return words_of(x, words); });
    for (; k + L <= words; k += L, j++) f(j, [=](const T* x) { return words_at(x, k); });
    if (k < words) f(j, [=](const T* x) { return words_at(x, words - L); });
  }

  bool same(const T* x, const T* y) const {
    Words differ = {};
    each([&](ptrdiff_t, auto words) { differ |= words(x) ^ words(y); });
    return !any(differ);
  }
  static bool any(Words words) {
    uint32_t some = 0, word[L];
    __builtin_memcpy(word, &words, sizeof word);
    for (uint32_t w : word) some |= w;
    return some != 0;
  }

  // Sums side by side, two for each lane, because a product has to wait for the one before. A product moves differences
  // upwards only, and a number like 1 differs from 0 in its upper bits: they are turned down before the lanes, each
  // times an odd number of its own, are added up.
  uint32_t hash_of(const T* x) const {
    constexpr uint32_t odd = 0x9e3779b1;
    Words sums[2] = {};
    each([&](ptrdiff_t j, auto words) { sums[j % 2] = (sums[j % 2] ^ words(x)) * odd; });
    uint32_t hash = 0;
    for (int j = 0; j < 2; j++) {
      uint32_t word[L];
      Words turned = sums[j] ^ sums[j] >> 15;
      __builtin_memcpy(word, &turned, sizeof word);
      for (uint32_t l = 0; l < L; l++) hash += word[l] * (odd * (4 * l + 2 * j + 1));
    }
    return hash ^ hash >> 15;
  }
};

// ---- the sums of a recurrent layer that follow from x alone: bias + x * w_ih^T ----

// They fill the first V of the `row` numbers that a unit's panel holds for each row of x.
template <class T, class A, class Panels, int V, ptrdiff_t row>
struct RepeatedInput {
  Repeats<T> x;
  T* table;  // [panels][most][row]: the sums of the distinct rows

  static ptrdiff_t panel(const A& a) { return Repeats<T>::most(a.t * a.n) * row; }
  static ptrdiff_t memory(const A& a) { return Panels::count(a) * panel(a) + Repeats<T>::memory(a.t * a.n, a.i); }
  static RepeatedInput in(const A& a, T* memory) {
    return {Repeats<T>::in(memory + Panels::count(a) * panel(a), a.t * a.n, a.i), memory};
  }

  template <ptrdiff_t size>
  static T* copy_vectors(const T* from, T* to) {
    vec<T> v[size / lanes<T>];
    UNROLL for (ptrdiff_t k = 0; k < size / lanes<T>; k++) v[k] = load<T>(from + k * lanes<T>);
    UNROLL for (ptrdiff_t k = 0; k < size / lanes<T>; k++) store<T>(to + k * lanes<T>, v[k]);
    return to + size;
  }

  // By all members of the team, before anything else. tail: vectors of the last panel of w_ih (simd/recurrent.h), or 0.
  void find(const A& a, const Team& team, ptrdiff_t tail = 0) const {
    if (panel(a) == 0) return;
    const T* first = static_cast<const T*>(a.x);
    if (team.rank == 0) x.find(a.n, [&](ptrdiff_t t, ptrdiff_t n) { return first + t * a.x_t + n * a.x_n; });
    team.barrier(&team);
    if (!x.found()) return;
    Range mine = share(Panels::count(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) fill(a, p, p == Panels::count(a) - 1 ? tail : 0);
    team.barrier(&team);
  }

  void fill(const A& a, ptrdiff_t p, ptrdiff_t tail) const {
    Panels packed = Panels::of(a);
    T* to = table + p * panel(a);
    for (ptrdiff_t u = 0; u < *x.count; u++)
      for (ptrdiff_t v = 0; v < row; v += lanes<T>) store<T>(to + u * row + v, load<T>(packed.bias + p * row + v));
    const T* w_ih = packed.w_ih + p * a.i * panel_width<V, T>;
    if (tail) Panels::add_last(a, to, row, *x.count, x.rows, a.i, w_ih, a.i);
    else add_product<V, T>(to, row, panel_width<V, T>, *x.count, true, x.rows, a.i, 1, w_ih, a.i);
  }

  // The sums of some steps' rows, to[panels][steps][rows][row]; false if rows do not repeat.
  bool copy(const A& a, Range panels, Range steps, Range rows, T* to, ptrdiff_t to_panel) const {
    if (!x.found()) return false;
    for (ptrdiff_t p = panels.begin; p < panels.end; p++, to += to_panel) {
      const T* from = table + p * panel(a);
      T* next = to;
      for (ptrdiff_t t = steps.begin; t < steps.end; t++)
        for (const int32_t *id = x.ids + t * a.n + rows.begin, *end = id + rows.end - rows.begin; id < end; id++)
          next = copy_vectors<row>(from + *id * row, next);
    }
    return true;
  }
};
