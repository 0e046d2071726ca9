// Idea:  with one or two sequences a block takes several panels of units at a time.
// Since: batch had 3 sums for one sequence, each waiting 4 cycles for the last multiply-add: 3/8 of the peak at best.
// Why:   4 panels x 3 gates = 12 chains (add_products in simd/recurrent.h), and more streams of weights at once.
// Price: nothing for many sequences, where it is the same code.
#pragma once

template <class T>
struct gru_r5_few : GruSteps<T, true> {};
