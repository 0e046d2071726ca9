// Idea:  each phase of the stride is a convolution over dy with some of the weights, done by conv2d's r5_pack.
// Since: r1_fold: nothing is added to a buffer; sums over all taps stay in registers.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: its lanes are input channels alone.
#pragma once

template <class T>
struct conv1d_backward_input_r3_phases : conv2d_backward_input_r4_phases<T> {};
