// Idea:  depthwise: lanes over the groups, which are independent.
// Since: r1_tile: x is a vector as well as dy.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: one load of x for each multiply-add.
#pragma once

template <class T>
struct conv1d_backward_weight_r2_depthwise : conv2d_backward_weight_r3_depthwise<T> {};
