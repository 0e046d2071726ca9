// What happens in one vector of hidden units once its four sums are known; shared by the rungs from r2 on.
#pragma once

// In: gate = the sums of i, f, g, o; c = c[t-1]. Out: gate = the gates, c = c[t].
template <class T>
inline void lstm_gates(vec<T> (&gate)[4], vec<T>& c) {
  gate[0] = sigmoid<T>(gate[0]);
  gate[1] = sigmoid<T>(gate[1]);
  gate[2] = tanh<T>(gate[2]);
  gate[3] = sigmoid<T>(gate[3]);
  c = gate[1] * c + gate[0] * gate[2];
}

// The same, and returns h[t].
template <class T>
inline vec<T> lstm_cell(vec<T> (&gate)[4], vec<T>& c) {
  lstm_gates<T>(gate, c);
  return gate[3] * tanh<T>(c);
}

// All lanes in the common case, by the plain load and store: the others are slow where the ISA has no masks.
template <class T>
inline vec<T> load_some(const T* p, ptrdiff_t n) {
  return n == lanes<T> ? load<T>(p) : load_n<T>(p, n);
}

template <class T>
inline void store_some(T* p, vec<T> v, ptrdiff_t n) {
  if (n == lanes<T>) store<T>(p, v);
  else store_n<T>(p, v, n);
}

// What the backward pass will want to know of step t, units u..u+count of sequence n.
template <class T>
inline void lstm_keep(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, ptrdiff_t count, const vec<T> (&gate)[4],
                      vec<T> cell) {
  if (a.gates)
    for (int q = 0; q < 4; q++)
      store_some<T>(static_cast<T*>(a.gates) + t * a.gates_t + (n * 4 + q) * a.h + u, gate[q], count);
  if (a.cells) store_some<T>(static_cast<T*>(a.cells) + t * a.cells_t + n * a.h + u, cell, count);
}
