// Idea:  few channels per group: the lanes of a register hold several groups.
// Since: r1_tile gives each group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   a sequence is an image of one row: conv2d_backward_weight's r10_group does it as it is.
// Price: the shuffles of dy, on a unit that also multiplies.
#pragma once

template <class T>
struct conv1d_backward_weight_r8_group : conv2d_backward_weight_r10_group<T> {};
