"""What stepping takes from recurrent."""

cdef enum Kind:
    LSTM, GRU, GRU_BEFORE, RNN_TANH, RNN_RELU
