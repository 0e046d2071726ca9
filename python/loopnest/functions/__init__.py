"""Functions of tensors under PyTorch's names, and methods of Tensor, beyond what the engine has itself.

    methods        Tensor's methods as functions
    pointwise      element by element
    compositions   made of other operations; clip, median, lerp ...
    statistics     sums, order, spread
    rearranging    other shapes, other orders
    indexing       take, put and add by index
    products       of vectors, matrices and batches of them
    drawing        random numbers of several distributions
    in_place       those of the others that change their tensor

NumPy computes or operations of the engine do, and the tape records. They are met as `loopnest.NAME`.
"""
