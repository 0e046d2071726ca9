// embedding for the laboratory; indices have one axis here.
#include <pybind11/stl.h>
#include <string.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

Call embedding(py::object index, py::object table, int64_t padding_idx, Name rung, Name isa, int threads) {
  Inputs in("embedding");
  Array ai = in.read("input", index), at = in.read("weight", table), ao;
  Embedding a;
  Error e;
  if (!embedding_check(a, ai, at, padding_idx, e)) raise(e);
  int64_t shape[2] = {a.m, a.d};
  py::array out = make_array(at.dtype, 2, shape, {}, ao);
  a.out = ao.data;
  a.out_m = ao.stride[0], a.out_d = ao.stride[1];
  return Call("embedding", at.dtype, a, in.keep, out, {rung, isa, threads});
}

// result: dL/dweight. Running the call again adds the gradient once more: that is what the operator does.
Call embedding_backward(py::object index, py::object dout, int64_t rows, int64_t padding_idx, Name rung, Name isa,
                        int threads) {
  Inputs in("embedding_backward");
  Array ai = in.read("input", index), ao = in.read("grad_output", dout), at;
  if (ao.rank != 2) throw py::value_error("embedding_backward: expected grad_output of shape (indices, embedding_dim)");
  if (rows < 0) throw py::value_error("embedding_backward: expected num_embeddings of at least 0");
  int64_t shape[2] = {rows, ao.shape[1]};
  py::array dtable = make_array(ao.dtype, 2, shape, {}, at);
  memset(at.data, 0, size_t(dtable.nbytes()));
  Embedding a;
  Error e;
  if (!embedding_backward_check(a, ai, ao, at, padding_idx, e)) raise(e);
  return Call("embedding_backward", ao.dtype, a, in.keep, dtable, {rung, isa, threads});
}

}  // namespace

void bind_embedding(py::module_& m) {
  m.def("embedding", &embedding, py::arg("input"), py::arg("weight"), py::arg("padding_idx") = -1, py::kw_only(),
        LOOPNEST_CHOICE);
}

void bind_embedding_backward(py::module_& m) {
  m.def("embedding_backward", &embedding_backward, py::arg("input"), py::arg("grad_output"), py::arg("num_embeddings"),
        py::arg("padding_idx") = -1, py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
