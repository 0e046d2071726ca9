// Idea:  one vector register holds neighbouring channels, each with a filter of its own (groups = ic = oc).
// Since: r1_pack broadcasts a number of x to all lanes; with one output channel per group it would use one lane.
// Why:   see conv2d's r6_depthwise, which does it: a sequence is an image of one row.
// Price: one load per multiply-add: loads set the pace.
#pragma once

template <class T>
struct conv1d_r2_depthwise : conv2d_r6_depthwise<T> {};
