// Idea:  few input channels: a stretch of x is copied with its border of zeros, channels side by side; then no block
//        has an edge, and all taps are one long sum.
// Since: r1_pack reads x where it lies: of a sequence in PyTorch's order each number of a sum is a row away.
// Why:   a sequence is an image of one row: conv2d's r14_border does it as it is. With one row the copy costs as many
//        numbers as x has, whatever the kernel's length.
// Price: multiplies by the zeros of padding; the copy; no dilation.
#pragma once

template <class T>
struct conv1d_r8_border : conv2d_r14_border<T> {};
