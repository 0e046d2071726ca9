// Planes of a volume as conv2d sees them, for the rungs of conv3d and its backward passes that are made of them.
#pragma once

// The convolution of one tap in depth, between planes of x and of y: everything but n, the arrays and their n axes.
template <class T>
inline Conv2d plane_of(const Conv3d& a, ptrdiff_t kd) {
  Conv2d p = {};
  p.ic = a.ic, p.ih = a.ih, p.iw = a.iw;
  p.oc = a.oc, p.kh = a.kh, p.kw = a.kw, p.oh = a.oh, p.ow = a.ow;
  p.stride_h = a.stride_h, p.stride_w = a.stride_w;
  p.pad_h = a.pad_h, p.pad_w = a.pad_w;
  p.dilation_h = a.dilation_h, p.dilation_w = a.dilation_w;
  p.groups = a.groups;
  p.x_c = a.x_c, p.x_h = a.x_h, p.x_w = a.x_w;
  p.w = static_cast<T*>(a.w) + kd * a.w_d;
  p.w_o = a.w_o, p.w_i = a.w_i, p.w_h = a.w_h, p.w_w = a.w_w;
  p.y_c = a.y_c, p.y_h = a.y_h, p.y_w = a.y_w;
  p.bias = a.bias;
  return p;
}

// Kernels of depth alone (kd x 1 x 1, unpadded, stride 1 in h and w) on volumes whose rows touch: planes are rows of
// one image, depth is its height. False if that is not so.
template <class T>
inline bool depth_as_height(const Conv3d& a, Conv2d& f) {
  if (a.kh != 1 || a.kw != 1 || a.pad_h || a.pad_w || a.oh != a.ih || a.ow != a.iw) return false;
  if ((a.ih > 1 && a.stride_h != 1) || (a.iw > 1 && a.stride_w != 1)) return false;
  if (a.x_h != a.iw * a.x_w || a.y_h != a.ow * a.y_w) return false;
  f = plane_of<T>(a, 0);
  f.n = a.n, f.ih = a.id, f.iw = a.ih * a.iw, f.oh = a.od, f.ow = a.oh * a.ow, f.kh = a.kd;
  f.stride_h = a.stride_d, f.stride_w = 1, f.pad_h = a.pad_d, f.dilation_h = a.dilation_d;
  f.x = a.x, f.x_n = a.x_n, f.x_h = a.x_d;
  f.y = a.y, f.y_n = a.y_n, f.y_h = a.y_d;
  f.w_h = a.w_d;
  return true;
}

// Volumes that are images as they are: kernels of depth alone, and those of one tap in depth, whose planes are a batch.
// p: the images of all samples, or of the first; how many such parts there are, 0: they are none.
template <class T>
inline ptrdiff_t as_images(const Conv3d& a, Conv2d& p) {
  bool depth_alone = depth_as_height<T>(a, p);
  if (depth_alone) return p.precision = a.precision, 1;
  if (a.kd != 1 || a.pad_d || (a.od - 1) * a.stride_d >= a.id) return 0;
  p = plane_of<T>(a, 0);
  p.precision = a.precision;
  p.n = a.od, p.x_n = a.stride_d * a.x_d, p.y_n = a.y_d;
  bool together = a.n == 1 || (a.x_n == a.od * p.x_n && a.y_n == a.od * p.y_n);
  if (together) p.n *= a.n;
  p.x = a.x, p.y = a.y;
  return together ? 1 : a.n;
}

// How many planes of x and y to take together: 768 KB of them, so that y stays in L2 until the last tap in depth has
// been added, while the weights of one tap are read once for all of them.
template <class T>
inline ptrdiff_t planes_together(const Conv3d& a) {
  ptrdiff_t bytes = (a.ic * a.ih * a.iw + a.oc * a.oh * a.ow) * ptrdiff_t(sizeof(T)), fit = (768 << 10) / (bytes + 1);
  return fit < 1 ? 1 : fit;
}
