// Idea:  few sequences are served by one pass over the weights (simd/thin.h), and passes go forwards and backwards in
//        turn: each core keeps its slice of w_hh in its cache, and begins with what it has read last.
// Since: batch took one panel at a time: 2 sums for one sequence, each waiting 4 cycles for the last multiply-add.
// Why:   4 panels x 2 vectors = 8 chains for one sequence, 24 sums for four; two cores have twice the second-level
//        cache, and meet at a spin barrier once a step.
// Price: nothing for many sequences, where it is the same code as batch.
#pragma once

template <class T>
struct rnn_r5_persistent : RnnSteps<T, true> {};
