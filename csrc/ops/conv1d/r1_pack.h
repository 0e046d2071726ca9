// Idea:  a sequence is an image of one row, and conv2d's r5_pack holds a block of neighbouring places in registers.
// Since: r0_naive: vectors of output channels, 14 places x 2 vectors of sums, weights packed, edges cut off.
// Why:   nothing in that block cares how many rows there are. With dilation 1 the taps of a row are one long sum over
//        kw * ic numbers side by side; causal padding is only a window that starts before the sequence.
// Price: none that could be measured against a copy of the block without rows (README.md).
#pragma once

template <class T>
struct conv1d_r1_pack : conv2d_r5_pack<T> {};
