// Idea:  a register block over the batch: 9 sequences x the 3 gates of a vector of units, all steps in lock-step.
// Since: pack used each weight that it loaded for one sequence.
// Why:   9 x 3 = 27 sums + 3 weights + 1 number = 31 of 32 registers, 27 multiply-adds for 12 loads; a panel's part of
//        w_hh stays in the first-level cache while the whole batch passes (simd/product.h).
// Price: with few sequences there are too few sums in a block (see persistent); the threads share out sequences, or, if
// these
//        are few or the weights large, panels of hidden units, and then meet after each step.
#pragma once

template <class T>
struct gru_r4_batch : GruSteps<T, false> {};
