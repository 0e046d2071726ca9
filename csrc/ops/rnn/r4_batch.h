// Idea:  a register block over the batch: 14 sequences x 2 vectors of units, all steps in lock-step.
// Since: pack used each weight that it loaded for one sequence.
// Why:   14 x 2 = 28 sums + 2 weights + 1 number = 31 of 32 registers, 28 multiply-adds for 16 loads; a panel's part of
//        w_hh stays in the first-level cache while the whole batch passes (simd/product.h).
// Price: with few sequences there are too few sums in a block (see persistent); the threads share out sequences, or, if
// these
//        are few or the weights large, panels of hidden units, and then meet after each step.
#pragma once

template <class T>
struct rnn_r4_batch : RnnSteps<T, false> {};
