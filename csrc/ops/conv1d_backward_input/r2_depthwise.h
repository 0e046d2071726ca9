// Idea:  depthwise: lanes over the groups, which are independent.
// Since: r1_fold: a vector of dy meets a vector of weights lane by lane.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: one load of dy for each multiply-add.
#pragma once

template <class T>
struct conv1d_backward_input_r2_depthwise : conv2d_backward_input_r3_depthwise<T> {};
