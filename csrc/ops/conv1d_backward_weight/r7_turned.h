// Idea:  few output channels, many input channels: x and dy change places, by conv2d_backward_weight's r9_turned.
// Since: r6_across has places in the lanes, into which x must be brought first.
// Why:   a sequence is an image of one row.
// Price: stride 1, one group; a pass over dy for dbias.
#pragma once

template <class T>
struct conv1d_backward_weight_r7_turned : conv2d_backward_weight_r9_turned<T> {};
