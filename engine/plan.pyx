"""Planned networks: kernel calls that were recorded once and are run again without Python in between.

While a Recording is on (in this thread), every kernel that the engine starts is kept: which rung, and its
arguments, a plain struct. So is every block of memory that results were put into. `build` makes a Program of
two recordings of the same work on different data: a word of a struct that differs between the two is an
address, and is found again as (input or block, offset); a word that does not is a size, a stride or the
address of a weight. Nothing has to be known about the operators, and an address that belongs to no input and
no block, which would be read again later when it holds something else, is an error. NumPy's memory is not
used again while both recordings are there, so that a temporary has another address in each. Copies that the
engine makes (copying.pyx) are steps of the plan as well.

A Program keeps blocks that are not needed at the same time in the same place of one piece of memory, has
weights packed, and puts the addresses of the caller's arrays in before it runs.

The parts:
    record.pxi        the hooks into the kernels' table and NumPy's memory; Recording
    program.pxi       Program, what runs
    build.pxi         addresses found, memory shared, weights packed: from two recordings to a program
"""

import threading
import zlib

import numpy

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_Import, PyCapsule_New
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset, strcpy
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from . cimport copying
from .arena cimport make
from .elementwise cimport ADD, DIV, MUL, SAME, SUB, Axes
from .kernels cimport (F32, F64, Array, Error, KernelApi, Ladder, dtype_of, kernel_api, max_rank, raise_error,
                       read)
from .tape cimport Tensor, settle_all, settled, wrap

from .extent import byte_bounds

ctypedef cnp.ndarray ndarray

cnp.import_array()


cdef extern from "program.h" namespace "loopnest" nogil:
    cdef cppclass Rung:
        pass

    cdef struct Step "loopnest::ProgramStep":
        const Ladder* ladder  # null: a Strided
        const Rung* rung
        char* args
        size_t bytes
        int64_t links  # this step and the next ones run as one chain

    cdef cppclass ProgramApi:
        size_t (*args_bytes)(const Ladder*)
        const char* (*op)(const Ladder*)
        const char* (*rung_name)(const Rung*)
        const Rung* (*pick)(const Ladder*, const void* args, Error*)
        bint (*run)(const Rung*, const Ladder*, void* args, Error*)
        size_t (*packed_bytes)(const Rung*, const void* args)
        void (*prepare)(const Rung*, const void* args, void* packed)
        void (*work)(const Ladder*, const Rung*, const void* args, double* flops, double* bytes)
        int (*chain_length)(const Step*, int count)
        bint (*chain_run)(const Step*, int count, Error*)

    cdef cppclass Workspace:
        const void* packed
        void* scratch


cdef extern from "api.h" namespace "loopnest" nogil:
    cdef cppclass Conv2dEpilogue "loopnest::Conv2d":
        const void* add
        int64_t activation

    cdef cppclass GemmEpilogue "loopnest::Gemm":
        const void* add
        int64_t activation

    cdef cppclass EpilogueApi "loopnest::KernelApi":
        bint (*check_epilogue)(const char* op, const char* activation, const Array* add, const Array& y,
                               int64_t& code, const void*& add_data, Error& error)


cdef extern from "recorder.h" namespace "loopnest" nogil:
    double seconds_now()
    void* plan_recorder
    cbool run_plain(const Ladder*, void*, Error*) noexcept
    void* allocate_plain(size_t) noexcept
    void release_plain(void*) noexcept
    void plan_hook(KernelApi*, cbool (*)(const Ladder*, void*, Error*) noexcept nogil,
                   void* (*)(size_t) noexcept nogil, void (*)(void*) noexcept nogil)


cdef extern from "loops/strided.h" namespace "loopnest::loops" nogil:
    cdef cppclass Strided:
        void* out
        const void* a
        const void* b
        int64_t op, dtype
        Axes axes
    void run_strided(const Strided&)
    double strided_bytes(const Strided&)


cdef struct Span:
    char* begin
    size_t bytes


cdef dict strided_names = {ADD: "add", SUB: "sub", MUL: "mul", DIV: "div", SAME: "copy"}
cdef dict strided_codes = {name: code for code, name in strided_names.items()}
cdef KernelApi* api = kernel_api()
cdef ProgramApi* more = <ProgramApi*>PyCapsule_Import("loopnest._core._program_api", 0)


cdef str step_name(Step step):
    if step.ladder == NULL:
        return strided_names[(<Strided*>step.args).op]
    return f"{(<bytes>more.op(step.ladder)).decode()}/{(<bytes>more.rung_name(step.rung)).decode()}"


include "record.pxi"
include "program.pxi"
include "build.pxi"
