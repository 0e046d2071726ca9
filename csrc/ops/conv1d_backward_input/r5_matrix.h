// Idea:  dx of a kernel of length 1 with stride 1 is a matrix product: places times output channels.
// Since: r3_phases: blocks of 6 places x 4 vectors, with fewer loads, through gemm's loops.
// Why:   a sequence is an image of one row: conv2d's rung does it as it is.
// Price: length 1 without padding only; chosen where there are 32 registers.
#pragma once

template <class T>
struct conv1d_backward_input_r5_matrix : conv2d_backward_input_r12_matrix<T> {};
