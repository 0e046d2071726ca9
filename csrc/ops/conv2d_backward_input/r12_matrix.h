// Idea:  dx of a 1x1 kernel with stride 1 is a matrix product: pixels x output channels times output x input channels.
// Since: r4_phases does it by r5_pack's blocks of 14 x 2.
// Why:   the same as conv2d's r12_matrix, which does it: 10 loads for 24 multiply-adds; rows of w are packed as they
//        lie.
// Price: 1x1 without padding, stride 1; dx channels-last without gaps.
#pragma once

template <class T>
struct conv2d_backward_input_r12_matrix : Plain<Conv2d> {
  using Forward = conv2d_r12_matrix<T>;

  static Conv2d forward(const Conv2d& a) {
    typename conv2d_backward_input_r4_phases<T>::Axis h(0, a.ih, a.kh, 1, a.pad_h, a.dilation_h);
    typename conv2d_backward_input_r4_phases<T>::Axis w(0, a.iw, a.kw, 1, a.pad_w, a.dilation_w);
    Conv2d f = conv2d_backward_input_r4_phases<T>::phase_of(a, h, w, 0, 0);
    f.add = nullptr, f.activation = ActNone;
    return f;
  }
  static const char* supports(const Conv2d& a) {
    if (a.stride_h != 1 || a.stride_w != 1) return "needs stride 1";
    if (a.kh != 1 || a.kw != 1) return "the kernel is not 1x1";
    return Forward::supports(forward(a));
  }
  static const char* declines(const Conv2d& a) {
    if (const char* reason = Forward::declines(forward(a))) return reason;
    return conv2d_backward_input_r4_phases<T>::declines(a);
  }
  static size_t packed_bytes(const Conv2d& a) { return Forward::packed_bytes(forward(a)); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Forward::prepare(forward(a), packed, team);
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) { return Forward::scratch_bytes(forward(a), threads); }
  static void run(const Conv2d& a, const Team& team) noexcept { Forward::run(forward(a), team); }
};
