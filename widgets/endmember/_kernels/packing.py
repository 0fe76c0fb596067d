"""Dense rows that are mostly zeros, packed into what is not."""

from endmember._kernels.jit import compiled


@compiled()
def take_held(words, items, per_word, indptr, indices, values):
    """List what is not zero, and in which channel.

    Zeros are passed over a word of eight bytes at a time; within a word, every item is written
    down, and the next one over it where it was zero.

    Parameters
    ----------
    words : ndarray of uint64
        The same bytes as `items`, but for those past the last whole word.
    items : ndarray, shape (n_rows * n_channels,)
        All rows, one after the other.
    per_word : int
        Items in a word.
    indptr : ndarray of int64, shape (n_rows + 1,)
        Zeros; becomes where every row begins in the lists.
    indices, values : ndarray
        Become the channels and the numbers; one longer than there are numbers.
    """
    n_channels = items.size // (indptr.size - 1)
    row, start, n = 0, 0, 0
    for w in range(words.size + 1):
        is_rest = w == words.size
        if not is_rest and words[w] == 0:
            continue
        stop = items.size if is_rest else (w + 1) * per_word
        for i in range(w * per_word, stop):
            while i - start >= n_channels:
                row, start = row + 1, start + n_channels
                indptr[row] = n
            indices[n] = i - start
            values[n] = items[i]
            n += items[i] != 0
    indptr[row + 1 :] = n
