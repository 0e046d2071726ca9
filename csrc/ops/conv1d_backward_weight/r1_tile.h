// Idea:  a block of taps x output channels held in registers while the places pass.
// Since: r0_naive: 28 vectors of sums instead of one number; x and dy copied where they lie badly.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: blocks that span taps must treat the ends of the sequence apart.
#pragma once

template <class T>
struct conv1d_backward_weight_r1_tile : conv2d_backward_weight_r2_tile<T> {};
