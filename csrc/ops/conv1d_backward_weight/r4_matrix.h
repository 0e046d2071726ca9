// Idea:  dw of a kernel of length 1 is a matrix product over all places.
// Since: r1_tile: blocks of 6 x 4, through gemm's loops, dbias from the same copies of dy.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: length 1 without padding only; chosen where there are 32 registers.
#pragma once

template <class T>
struct conv1d_backward_weight_r4_matrix : conv2d_backward_weight_r7_matrix<T> {};
