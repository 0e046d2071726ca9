// Idea:  copy the window of every output pixel into one row of a matrix; the convolution is then a plain gemm.
// Since: r3_tile read x in place; here the seven loops have become a copy and the three loops of gemm.
// Why:   every pixel can share a block with every other, rows and edges do not matter (padding is copied as zeros),
//        and one good gemm serves all shapes.
// Price: slower here, because the matrix is kh * kw times as large as x and has to be written and read again, and the
//        zeros of the padding are multiplied: half to three quarters of r5_pack's speed. (It beats r3_tile on images as
//        narrow as a block, where r3 has mostly edges.) The matrix of one image and group at a time is
//        oh * ow * kh * kw * ic / groups numbers.
#pragma once
#include "parts.h"
#include "r3_tile.h"

template <class T>
struct conv2d_r4_im2col : conv2d_r3_tile<T> {  // weights are packed as for r3_tile; a block is a matrix [depth, width]
  using conv2d_r3_tile<T>::V, conv2d_r3_tile<T>::width;

  static size_t scratch_bytes(const Conv2d& a, int) {
    return size_t(a.oh * a.ow * a.kh * a.kw * (a.ic / a.groups)) * sizeof(T);
  }

  // One row of the matrix: the window of the output pixel (oh, ow), in the order kh, kw, ic.
  static void copy_window(const Conv2d& a, const T* x, ptrdiff_t oh, ptrdiff_t ow, T* to) noexcept {
    for (ptrdiff_t kh = 0; kh < a.kh; kh++)
      for (ptrdiff_t kw = 0; kw < a.kw; kw++) {
        ptrdiff_t ih = oh * a.stride_h - a.pad_h + kh * a.dilation_h;
        ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
        bool inside = ih >= 0 && ih < a.ih && iw >= 0 && iw < a.iw;
        for (ptrdiff_t ic = 0; ic < a.ic / a.groups; ic++)
          *to++ = inside ? x[ic * a.x_c + ih * a.x_h + iw * a.x_w] : T(0);
      }
  }

  // y[row .. row + M, oc .. oc + width] = bias + matrix[row .. row + M, :] * w
  template <int M>
  static void gemm(const Conv2d& a, const T* matrix, const T* w, ptrdiff_t depth, const T* bias, T* y, ptrdiff_t row,
                   ptrdiff_t left) noexcept {
    Block<M, V, T> b = {};
    if (bias)
      for (int v = 0; v < V; v++)
        for (int m = 0; m < M; m++) b.sum[m][v] = load_channels<T>(bias + v * lanes<T>, 1, left - v * lanes<T>);
    multiply_add(b, matrix + row * depth, depth, 1, w, depth);
    for (int m = 0; m < M; m++) {
      T* to = y + (row + m) / a.ow * a.y_h + (row + m) % a.ow * a.y_w;
      for (int v = 0; v < V; v++) store_channels<T>(to + v * lanes<T> * a.y_c, a.y_c, b.sum[m][v], left - v * lanes<T>);
    }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t group_ic = a.ic / a.groups, group_oc = a.oc / a.groups, blocks = ceil_div(group_oc, width);
    ptrdiff_t depth = a.kh * a.kw * group_ic;
    T* matrix = static_cast<T*>(a.workspace.scratch);   // [oh * ow, depth]
    Range rows = share(a.oh * a.ow, team, block_rows);  // each member multiplies the rows it has copied
    for (ptrdiff_t image = 0; image < a.n * a.groups; image++) {
      ptrdiff_t n = image / a.groups, g = image % a.groups;
      const T* x = static_cast<const T*>(a.x) + n * a.x_n + g * group_ic * a.x_c;
      for (ptrdiff_t row = rows.begin; row < rows.end; row++)
        copy_window(a, x, row / a.ow, row % a.ow, matrix + row * depth);
      for (ptrdiff_t block = 0; block < blocks; block++) {
        ptrdiff_t oc = g * group_oc + block * width, left = group_oc - block * width;
        const T* w = static_cast<const T*>(a.workspace.packed) + (g * blocks + block) * depth * width;
        const T* bias = a.bias ? static_cast<const T*>(a.bias) + oc : nullptr;
        T* y = static_cast<T*>(a.y) + n * a.y_n + oc * a.y_c;
        ptrdiff_t row = rows.begin;
        for (; row + block_rows <= rows.end; row += block_rows)
          gemm<block_rows>(a, matrix, w, depth, bias, y, row, left);
        for (; row < rows.end; row++) gemm<1>(a, matrix, w, depth, bias, y, row, left);
      }
    }
  }
};
