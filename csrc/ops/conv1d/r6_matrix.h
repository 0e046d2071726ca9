// Idea:  a kernel of length 1 is a matrix product, and so is any without padding whose windows lie at equal distances:
//        windows side by side, or one sequence. See conv2d's r12_matrix.
// Since: r1_pack: blocks of 6 places x 4 vectors, with fewer loads, through gemm's loops.
// Why:   there are no edges, and nothing between the product and the block that gemm holds best.
// Price: no padding; y channels-last without gaps; chosen where there are 32 registers.
#pragma once

template <class T>
struct conv1d_r6_matrix : conv2d_r12_matrix<T> {};
