// Idea:  depthwise, column by column: each vector of x is loaded once and meets all taps (up to 7 at a time).
// Since: r2_depthwise loaded x anew for each tap.
// Why:   a sequence is an image of one row, see conv2d's r9_slide. Dilated kernels go phase by phase, and the long
//        ones of speech (31 taps) in pieces of 6 and 7.
// Price: 8 sums of one row: 14 + 7 loads for 56 multiply-adds.
#pragma once

template <class T>
struct conv1d_r3_slide : conv2d_r9_slide<T> {};
