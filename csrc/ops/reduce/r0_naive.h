// Idea:  every output walks over what belongs to it, one number after the other, and adds in double.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: each addition waits for the one before, and every number has its place computed anew.
#pragma once

template <class T>
struct reduce_r0_naive : Plain<Reduce> {
  static void run(const Reduce& a, const Team& team) noexcept {
    reductions::with_function(a, [&](auto function) {
      reductions::Axes kept(a, false, reduce_rank), reduced(a, true, reduce_rank);
      Range outputs = share(kept.count, team);
      for (ptrdiff_t k = outputs.begin; k < outputs.end; k++) {
        const T* x = static_cast<const T*>(a.x) + kept.offset(k, kept.x_step);
        double total = function.template none<double>;
        for (ptrdiff_t r = 0; r < reduced.count; r++)
          total = function.join(total, double(x[reduced.offset(r, reduced.x_step)]));
        static_cast<T*>(a.y)[kept.offset(k, kept.y_step)] = T(total / a.divisor);
      }
    });
  }
};
