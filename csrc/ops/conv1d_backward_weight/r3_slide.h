// Idea:  depthwise, tile by tile: up to 7 taps of a vector of channels in registers, dy and x read once.
// Since: r2_depthwise let all places pass for each kernel row of a vector of channels, in steps of a whole place.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: kernels over 7 taps go by pieces, and read dy for each.
#pragma once

template <class T>
struct conv1d_backward_weight_r3_slide : conv2d_backward_weight_r4_slide<T> {};
