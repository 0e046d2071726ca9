// How a rung is written and how it becomes a row of the table.
//
//   template <class T>
//   struct conv2d_r3_tile : Plain<Conv2d> {          // Plain: nothing to prepare, no scratch, supports everything
//     static const char* supports(const Conv2d& a);  // hide what differs: what it cannot do,
//     static const char* declines(const Conv2d& a);  // or where a lower rung is the better choice
//     static void run(const Conv2d& a, const Team& team) noexcept;
//   };
//
// and in ladder.inc   RUNG(conv2d, 3, tile, F32, "a block of outputs held in registers")
#pragma once

template <class A>
struct Plain {
  using Args = A;
  static const char* supports(const A&) { return nullptr; }
  static const char* declines(const A&) { return nullptr; }
  static size_t packed_bytes(const A&) { return 0; }
  static void prepare(const A&, void*, const Team&) noexcept {}
  static size_t scratch_bytes(const A&, int) { return 0; }
};

// A rung that does the epilogue of its operator (simd/epilogue.h) says `static constexpr bool epilogue = true;`. The
// others refuse work that asks for one, and the caller does it in a pass of its own.
template <class R, class A>
const char* refuses(const A& a) {
  if constexpr (requires { a.activation; } && !requires { R::epilogue; })
    if (a.activation || a.add) return "has no epilogue (activation, residual)";
  return R::supports(a);
}

template <class R>
constexpr Rung make_rung(const char* op, int step, const char* name, Dtype dtype, const char* idea) {
  using A = typename R::Args;
  return {op,
          name,
          step,
          isa.name,
          dtype,
          idea,
          [](const void* a) { return refuses<R>(*static_cast<const A*>(a)); },
          [](const void* a) { return R::declines(*static_cast<const A*>(a)); },
          [](const void* a) { return R::packed_bytes(*static_cast<const A*>(a)); },
          [](const void* a, void* packed, const Team* team) { R::prepare(*static_cast<const A*>(a), packed, *team); },
          [](const void* a, int threads) { return R::scratch_bytes(*static_cast<const A*>(a), threads); },
          [](const void* a, const Team* team) { R::run(*static_cast<const A*>(a), *team); }};
}
