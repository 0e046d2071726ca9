// Idea:  with few output channels the lanes hold neighbouring places: a vector of x meets the weight of every channel.
// Since: r8_border has channels in the lanes: 4 of them leave half of 8 lanes idle.
// Why:   a sequence is an image of one row: conv2d's r13_across does it as it is.
// Price: a copy of x in planes, and shuffles that put the channels side by side at the end; stride 1.
#pragma once

template <class T>
struct conv1d_r9_across : conv2d_r13_across<T> {};
