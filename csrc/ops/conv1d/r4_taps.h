// Idea:  a number of x, once broadcast, meets all taps: their weights lie in registers beside the sums.
// Since: r1_pack loads a number of x for each tap.
// Why:   a sequence is an image of one row: conv2d's r10_taps does it as it is.
// Price: kernels 3, 5 and 7 wide, strides 1 and 2, no dilation.
#pragma once

template <class T>
struct conv1d_r4_taps : conv2d_r10_taps<T> {
  static const char* declines(const Conv2d& a) {
    if (a.groups == 1) return "without groups pack's sums run over all taps at once";
    return conv2d_r10_taps<T>::declines(a);
  }
};
