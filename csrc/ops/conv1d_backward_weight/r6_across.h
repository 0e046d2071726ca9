// Idea:  with few output channels the lanes hold neighbouring places of dy, brought into planes in registers.
// Since: r1_tile has channels in the lanes: 4 of them leave half of 8 lanes idle.
// Why:   a sequence is an image of one row: conv2d_backward_weight's r8_across does it as it is.
// Price: a copy of x in planes and shuffles; stride 1.
#pragma once

template <class T>
struct conv1d_backward_weight_r6_across : conv2d_backward_weight_r8_across<T> {};
