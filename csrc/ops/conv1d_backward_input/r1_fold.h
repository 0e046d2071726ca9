// Idea:  outputs times taps in registers, then folded into the row of dx where they overlap.
// Since: r0_naive: scatter instead of gather; taps and channels share the lanes.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: adding to a buffer, once per oc multiply-adds.
#pragma once

template <class T>
struct conv1d_backward_input_r1_fold : conv2d_backward_input_r2_fold<T> {};
