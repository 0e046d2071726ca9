// Idea:  groups or few input channels: a convolution of dy with the weights turned round, several groups in a register
//        or lanes along the output channels.
// Since: r3_phases gives a group registers of its own, and 4 of its channels fill 4 lanes.
// Why:   a sequence is an image of one row: conv2d_backward_input's r10_turned does it as it is.
// Price: kernels that conv2d's group, taps, dots and across know.
#pragma once

template <class T>
struct conv1d_backward_input_r7_turned : conv2d_backward_input_r10_turned<T> {};
