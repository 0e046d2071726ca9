// Idea:  few output channels, few taps: dot products along the input channels, as they lie in memory.
// Since: r9_across copies x into planes, which takes longer than 3 taps to one channel themselves.
// Why:   a sequence is an image of one row: conv2d's r15_dots does it as it is.
// Price: a weight is loaded for every few multiply-adds; channels-last x.
#pragma once

template <class T>
struct conv1d_r10_dots : conv2d_r15_dots<T> {};
