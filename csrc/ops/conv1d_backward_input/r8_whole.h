// Idea:  a kernel as long as the sequence: one place of y, and each place of x meets one tap: a matrix product.
// Since: r1_fold and r3_phases treat it as a convolution, in which all taps but one of each place lie on padding.
// Why:   a sequence is an image of one row: conv2d_backward_input's r11_whole does it as it is.
// Price: this one shape.
#pragma once

template <class T>
struct conv1d_backward_input_r8_whole : conv2d_backward_input_r11_whole<T> {};
