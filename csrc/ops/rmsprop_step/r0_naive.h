// Idea:  one number after the other: the averages and the parameter in one pass.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: the formula is computed one number at a time, unless the compiler vectorises around its options.
#pragma once

template <class T>
struct rmsprop_step_r0_naive : Plain<Update> {
  static void run(const Update& a, const Team& team) noexcept { update_numbers<T, RmspropRule>(a, team); }
};
