// Idea:  each phase of the stride is a depthwise convolution over dy, done by conv2d's slide.
// Since: r2_depthwise loaded dy anew for each tap.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: with a stride, as many sweeps over dy as there are phases.
#pragma once

template <class T>
struct conv1d_backward_input_r4_slide_phases : conv2d_backward_input_r8_slide_phases<T> {};
