// Idea:  a vector at a time.
// Since: r0_naive computes one number at a time.
// Why:   a whole register goes through the formula at once, so that memory sets the pace and not the arithmetic.
// Price: the end of every part goes through a buffer of one vector.
#pragma once

template <class T>
struct sgd_step_r1_vec : Plain<Update> {
  static void run(const Update& a, const Team& team) noexcept { update_vectors<T, SgdRule>(a, team); }
};
