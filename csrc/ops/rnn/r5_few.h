// Idea:  with few sequences a block takes several panels of units at a time.
// Since: batch had 2 sums for one sequence, each waiting 4 cycles for the last multiply-add: 2/8 of the peak at best.
// Why:   6 panels x 2 vectors = 12 chains (add_products in simd/recurrent.h), and more streams of weights at once.
// Price: nothing for many sequences, where it is the same code.
#pragma once

template <class T>
struct rnn_r5_few : RnnSteps<T, true> {};
