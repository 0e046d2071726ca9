// Idea:  few channels per group: the lanes of a register hold several groups.
// Since: r1_pack gives a group registers of its own, and 4 output channels fill 4 lanes of 16.
// Why:   a sequence is an image of one row: conv2d's r11_group does it as it is.
// Price: a shuffle of x for each channel of a group; kernels 1, 3, 5 and 7 wide, strides 1 and 2.
#pragma once

template <class T>
struct conv1d_r5_group : conv2d_r11_group<T> {};
