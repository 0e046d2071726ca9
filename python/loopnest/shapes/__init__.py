"""Shapes as text: one per line in the .txt files of this folder, used by tests, benches and documents alike.

Grammar: words separated by spaces, each a name and a number, in any order; `#` starts a comment.

    conv2d   n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 d1 g1    (s p d g may be left out: 1 0 1 1)
    conv1d   n1 ic40 il98 oc128 kl9 s1 p4 q4 d1 g1         (q: padding on the right; left out: as p)
    conv3d   n1 ic64 id16 ih28 iw28 oc128 kd3 kh3 kw3 p1   (and s d g)
    conv_transpose2d   n1 ic64 ih32 iw32 oc3 kh4 kw4 s2 p1 o0 d1 g1   (o: output_padding; 1d and 3d likewise)
    pool2d   n1 c64 ih56 iw56 kh3 kw3 s2 p1 d1 ceil0       (s p d ceil may be left out: kh kw, 0 1 0)
    gemm     m64 n64 k64
    lstm     t50 n32 i256 h256                             (gru and rnn likewise)

These stand in files. Operators that no file has layers of are written in the letters of their contracts:

    norm           n8 s784 c128 g128 batch1                (images, places, channels in groups; g batch: 1 0)
    softmax        o4096 d512 i1                           (along d; so are sums)
    cross_entropy  n256 c1000 s1                           (s: 1)
    embedding      v10000 d256 m4096                       (m rows of a table [v, d])
    resample       n1 c64 ih56 iw56 oh112 ow112
    lstm_cell      m1024 h64
    relu           n802816                                 (and all that works on one number after the other)

s, p, o and d (stride, padding, output padding, dilation) hold for all directions; where these differ write
s_h2 s_w1. The letters are those of the whole project: n ic ih iw oc oh ow kh kw for images (l for length, d
for depth), t n i h for sequences.

A suite of the bench is a file of such lines behind their operator's name, under headings:

    [family]
    conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 p1 x3 train       # x3: three of them; train: timed in training

    >>> shape = Conv2dShape.parse("n1 ic3 ih9 iw8 oc4 kh3 kw2 s2 p_h1 p_w0")
    >>> shape.stride, shape.padding, (shape.oh, shape.ow)
    ((2, 2), (1, 0), (5, 4))
    >>> str(shape)
    'n1 ic3 ih9 iw8 oc4 kh3 kw2 s2 p_h1 p_w0'
    >>> Conv2dShape.parse(str(shape)) == shape
    True

    text.py                                      reading and writing, for all
    convolution.py  products.py  pooling.py      the shapes by family: the same files as in loopnest.ops
    elementwise.py  rows.py  tables.py
    recurrent.py
    files.py                                     what stands in files
"""

from loopnest.shapes.convolution import (
    Conv1dShape,
    Conv2dShape,
    Conv3dShape,
    ConvShape,
    ConvTranspose1dShape,
    ConvTranspose2dShape,
    ConvTranspose3dShape,
    ConvTransposeShape,
)
from loopnest.shapes.elementwise import CountShape
from loopnest.shapes.files import Entry, load, load_suite, parse, suites
from loopnest.shapes.pooling import Pool2dShape
from loopnest.shapes.products import GemmShape
from loopnest.shapes.recurrent import CellShape, GruShape, LstmShape, RecurrentShape, RnnShape
from loopnest.shapes.rows import AxisShape, ClassesShape, NormShape
from loopnest.shapes.tables import LookupShape, ResizeShape
from loopnest.shapes.text import Shape

__all__ = [
    "AxisShape",
    "CellShape",
    "ClassesShape",
    "Conv1dShape",
    "Conv2dShape",
    "Conv3dShape",
    "ConvShape",
    "ConvTranspose1dShape",
    "ConvTranspose2dShape",
    "ConvTranspose3dShape",
    "ConvTransposeShape",
    "CountShape",
    "Entry",
    "GemmShape",
    "GruShape",
    "LookupShape",
    "LstmShape",
    "NormShape",
    "Pool2dShape",
    "RecurrentShape",
    "ResizeShape",
    "RnnShape",
    "Shape",
    "load",
    "load_suite",
    "parse",
    "suites",
]
