# cython: language_level=3, cdivision=True
"""What ``plain.py`` says, compiled. Every index is held to its table here: no text and no array reads beyond one.

Whole numbers are added up exactly, and the few operations on fractions are those of ``plain.py`` in the same order: the build
forbids the compiler to fuse them. A call keeps nothing.
"""

cimport numpy as np
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport copysignf, exp, fabsf, rintf, sqrt, sqrtf
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

np.import_array()

cdef extern from *:
    """
    #ifdef __GNUC__
    #define waypost_fetch(address) __builtin_prefetch(address)
    #else
    #define waypost_fetch(address)
    #endif
    """
    void fetch "waypost_fetch"(const void* address) noexcept nogil

cdef enum:
    BLANK = 0
    MARK = 2
    DIGIT = 48
    SURROGATE = 0xFFFD  # what a lone one is read as
    POINTS = 1 << 16
    ROW_BITS = 18
    ROWS = 1 << ROW_BITS
    AHEAD = 16  # rows that are fetched while others are added: the table is larger than most caches
    MOST = 1 << 24  # rows whose sums a 32-bit integer holds

cdef uint32_t BASE = 0x9E3779B1u
cdef uint32_t SPREAD = 0x85EBCA6Bu
cdef uint32_t BEGIN = 0x2545F491u
cdef uint32_t END = 0x8CB92BA7u
cdef uint32_t ONE_WORD = 0x27D4EB2Fu
cdef uint32_t TWO_WORDS = 0x165667B1u
cdef uint32_t THREE_WORDS = 0xC2B2AE35u


cdef inline int64_t row_of(uint32_t hashed) noexcept nogil:
    return (hashed * SPREAD) >> (32 - ROW_BITS)


cdef inline bint begins(uint8_t kind, uint8_t before) noexcept nogil:
    """Whether a word begins with a character of this kind, behind one of that kind."""
    return kind != BLANK and (kind != before or kind >= MARK)


cdef void* data(np.ndarray array, int kind, int axes = 1) except? NULL:
    """Where the numbers are, in a row, of an array of this kind. A typed memoryview tells the same in more time."""
    if np.PyArray_TYPE(array) != kind or np.PyArray_NDIM(array) != axes or not np.PyArray_ISCARRAY_RO(array):
        raise ValueError("an array of another kind")
    return np.PyArray_DATA(array)


cdef void* points(np.ndarray array, int kind) except? NULL:
    """The same for a table of code points."""
    if np.PyArray_SIZE(array) != POINTS:
        raise ValueError("a table of code points has 65536")
    return data(array, kind)


cdef np.ndarray new(np.npy_intp size, int kind):
    return np.PyArray_EMPTY(1, &size, kind, 0)


def ngrams(str text not None, np.ndarray folded not None, np.ndarray kinds not None):
    cdef const uint32_t* codes_of = <const uint32_t*> points(folded, np.NPY_UINT32)
    cdef const uint8_t* kind_of = <const uint8_t*> points(kinds, np.NPY_UINT8)
    cdef uint32_t* codes = <uint32_t*> malloc((len(text) + 2) * sizeof(uint32_t))
    if codes is NULL:
        raise MemoryError
    try:
        return rows_of(codes, fold(text, codes_of, codes), kind_of)
    finally:
        free(codes)


cdef Py_ssize_t fold(str text, const uint32_t* folded, uint32_t* codes) noexcept:
    """Writes the codes, at most two more than there are characters; how many."""
    cdef Py_ssize_t size = 1
    cdef Py_UCS4 char
    cdef uint32_t code
    cdef bint begun = False, blank = False
    codes[0] = 32
    for char in text:
        if char.isspace():
            blank = begun
            continue
        if blank:
            codes[size] = 32
            size += 1
            blank = False
        begun = True
        code = char
        if 0xD800 <= code < 0xE000:
            code = SURROGATE
        code = folded[min(code, <uint32_t> (POINTS - 1))]
        if code:
            codes[size] = code
            size += 1
    codes[size] = 32
    return size + 1


cdef rows_of(const uint32_t* codes, Py_ssize_t size, const uint8_t* kinds):
    cdef Py_ssize_t i, words = 0
    cdef uint8_t kind, before = BLANK
    for i in range(size):
        if codes[i] >= POINTS:
            raise ValueError("a folded code is below 65536")
        kind = kinds[codes[i]]
        words += begins(kind, before)
        before = kind
    cdef Py_ssize_t threes = max(size - 2, 0) if words else 0
    cdef Py_ssize_t fives = max(size - 4, 0) if words else 0
    cdef Py_ssize_t count = threes + fives + 3 * words + 1 if words else 0
    cdef np.ndarray found = new(size, np.NPY_UINT32), rows = new(count, np.NPY_INT64), starts = new(words, np.NPY_INT64)
    cdef int64_t* row = <int64_t*> np.PyArray_DATA(rows)
    cdef uint32_t three
    for i in range(threes):
        three = ((codes[i] + 1) * BASE + codes[i + 1] + 1) * BASE + codes[i + 2] + 1
        row[i] = row_of(three)
        if i < fives:
            row[threes + i] = row_of((three * BASE + codes[i + 3] + 1) * BASE + codes[i + 4] + 1)
    if words:
        rows_of_words(codes, size, kinds, words, row + threes + fives, <int64_t*> np.PyArray_DATA(starts))
    memcpy(np.PyArray_DATA(found), codes, size * sizeof(uint32_t))
    return found, rows, threes + fives, starts


cdef void rows_of_words(
    const uint32_t* codes, Py_ssize_t size, const uint8_t* kinds, Py_ssize_t words, int64_t* row, int64_t* starts
) noexcept:
    """Single words from ``row`` on, then pairs, one more, then triples."""
    cdef int64_t* pairs = row + words
    cdef int64_t* triples = pairs + words + 1
    cdef uint32_t one = BEGIN, two = 0, word
    cdef uint32_t power
    cdef Py_ssize_t i = 0, number
    cdef uint8_t kind
    for number in range(words):
        while kinds[codes[i]] == BLANK:
            i += 1
        starts[number] = i
        kind = kinds[codes[i]]
        word = codes[i] + 1
        power = BASE
        i += 1
        while i < size and kind < MARK and kinds[codes[i]] == kind:
            word += (codes[i] + 1) * power
            power *= BASE
            i += 1
        row[number] = row_of(word + ONE_WORD)
        pairs[number] = row_of(one * BASE + word + TWO_WORDS)
        if number:
            triples[number - 1] = row_of((two * BASE + one) * BASE + word + THREE_WORDS)
        two, one = one, word
    pairs[words] = row_of(one * BASE + END + TWO_WORDS)
    triples[words - 1] = row_of((two * BASE + one) * BASE + END + THREE_WORDS)


cdef int32_t* zeros(Py_ssize_t count) except NULL:
    """To be freed by the caller."""
    cdef int32_t* found = <int32_t*> calloc(count + 1, sizeof(int32_t))
    if found is NULL:
        raise MemoryError
    return found


def label_scores(np.ndarray rows not None, Py_ssize_t chars, np.ndarray table not None, double scale):
    cdef const int64_t* row_at = <const int64_t*> data(rows, np.NPY_INT64)
    cdef const int8_t* cells = <const int8_t*> data(table, np.NPY_INT8, 2)
    cdef Py_ssize_t i, j, size = rows.shape[0], height = table.shape[0], width = table.shape[1]
    cdef uint8_t[ROWS >> 3] seen
    cdef Py_ssize_t[2] counts
    cdef int64_t row
    cdef int words
    cdef double share
    if height > ROWS or size > MOST:
        raise ValueError("too many rows")
    cdef np.ndarray found = new(width, np.NPY_FLOAT64)
    cdef double* scores = <double*> np.PyArray_DATA(found)
    cdef int32_t* sums = zeros(2 * width)
    try:
        memset(seen, 0, sizeof(seen))
        counts[0] = counts[1] = 0
        for i in range(size - 1, -1, -1):
            row = row_at[i]
            if not 0 <= row < height:
                raise IndexError(row)
            if i >= AHEAD and 0 <= row_at[i - AHEAD] < height:
                fetch(cells + row_at[i - AHEAD] * width)
            if seen[row >> 3] >> (row & 7) & 1:
                continue
            seen[row >> 3] |= 1 << (row & 7)
            words = i >= chars
            counts[words] += 1
            for j in range(width):
                sums[words * width + j] += cells[row * width + j]
        memset(scores, 0, width * sizeof(double))
        for words in range(2):
            if counts[words]:
                share = scale / sqrt(<double> counts[words])
                for j in range(width):
                    scores[j] += sums[words * width + j] * share
    finally:
        free(sums)
    return found


def row_sums(np.ndarray rows not None, np.ndarray table not None):
    cdef const int64_t* row_at = <const int64_t*> data(rows, np.NPY_INT64)
    cdef const int8_t* cells = <const int8_t*> data(table, np.NPY_INT8, 2)
    cdef Py_ssize_t i, j, size = rows.shape[0], height = table.shape[0], width = table.shape[1]
    if size > MOST:
        raise ValueError("too many rows")
    cdef np.ndarray found = new(width, np.NPY_FLOAT64)
    cdef double* whole = <double*> np.PyArray_DATA(found)
    cdef int32_t* sums = zeros(width)
    try:
        for i in range(size):
            if not 0 <= row_at[i] < height:
                raise IndexError(row_at[i])
            for j in range(width):
                sums[j] += cells[row_at[i] * width + j]
        for j in range(width):
            whole[j] = sums[j]
    finally:
        free(sums)
    return found


def sketch(np.ndarray rows not None, Py_ssize_t chars, Py_ssize_t places):
    cdef const int64_t* row_at = <const int64_t*> data(rows, np.NPY_INT64)
    cdef Py_ssize_t i, size = rows.shape[0]
    if places < 1 or places & (places - 1):
        raise ValueError("places are a power of 2")
    if size > MOST:
        raise ValueError("too many rows")
    cdef np.ndarray found = new(places, np.NPY_FLOAT32)
    cdef float* unit = <float*> np.PyArray_DATA(found)
    cdef double* whole = <double*> malloc(places * sizeof(double))
    if whole is NULL:
        raise MemoryError
    cdef int32_t* counts = NULL
    cdef int32_t* counted
    cdef double of_chars, of_words, length
    try:
        counts = zeros(2 * places)
        for i in range(size):
            counted = counts + (row_at[i] & (places - 1)) + places * (i >= chars)
            counted[0] += 1 - 2 * ((row_at[i] & places) != 0)
        of_chars, of_words = length_of(counts, places), length_of(counts + places, places)
        length = 0
        for i in range(places):
            whole[i] = counts[i] / of_chars + counts[places + i] / of_words
            length += whole[i] * whole[i]
        length = sqrt(length) or 1
        for i in range(places):
            unit[i] = <float> (whole[i] / length)
    finally:
        free(counts)
        free(whole)
    return found


cdef double length_of(const int32_t* counts, Py_ssize_t size) noexcept:
    """Of the vector; 1 of one of zeros."""
    cdef int64_t total = 0
    cdef Py_ssize_t i
    for i in range(size):
        total += <int64_t> counts[i] * counts[i]
    return sqrt(<double> total) or 1


def damped(np.ndarray vector not None):
    cdef const float* number = <const float*> data(vector, np.NPY_FLOAT32)
    cdef float largest = 0, scale
    cdef Py_ssize_t i, size = vector.shape[0]
    for i in range(size):
        largest = max(largest, fabsf(number[i]))
    if not largest:
        return b""
    scale = <float> (127 / <double> sqrtf(largest))
    cdef bytes found = PyBytes_FromStringAndSize(NULL, size)
    cdef int8_t* root = <int8_t*> PyBytes_AS_STRING(found)
    for i in range(size):
        root[i] = <int8_t> rintf(copysignf(sqrtf(fabsf(number[i])), number[i]) * scale)
    return found


def softmax(np.ndarray scores not None):
    cdef const double* score = <const double*> data(scores, np.NPY_FLOAT64)
    cdef Py_ssize_t i, size = scores.shape[0]
    cdef np.ndarray found = new(size, np.NPY_FLOAT64)
    cdef double* shares = <double*> np.PyArray_DATA(found)
    cdef double largest = score[0] if size else 0, total = 0
    for i in range(size):
        largest = max(largest, score[i])
    for i in range(size):
        shares[i] = exp(score[i] - largest)
        total += shares[i]
    for i in range(size):
        shares[i] /= total
    return found


def products(np.ndarray table not None, np.ndarray vector not None):
    cdef const double* cells = <const double*> data(table, np.NPY_FLOAT64, 2)
    cdef const double* number = <const double*> data(vector, np.NPY_FLOAT64)
    cdef Py_ssize_t i, j, size = vector.shape[0]
    cdef double total
    cdef list found = []
    if table.shape[1] != size:
        raise ValueError("a row has as many numbers as the vector")
    for i in range(table.shape[0]):
        total = 0
        for j in range(size):
            total += cells[i * size + j] * number[j]
        found.append(total)
    return found


def marks(np.ndarray codes not None, np.ndarray code_marks not None, np.ndarray letters not None):
    cdef const uint32_t* code_at = <const uint32_t*> data(codes, np.NPY_UINT32)
    cdef const uint8_t* is_mark = <const uint8_t*> points(code_marks, np.NPY_UINT8)
    cdef const uint8_t* is_letter = <const uint8_t*> points(letters, np.NPY_UINT8)
    cdef Py_ssize_t i, of_code = 0, found = 0, digits = 0
    cdef uint32_t code, one = 0, two = 0
    cdef bint varied = False
    for i in range(codes.shape[0]):
        code = code_at[i]
        if code >= POINTS:
            raise IndexError(code)
        of_code += is_mark[code]
        digits += code == DIGIT
        if is_letter[code]:
            varied |= found >= 2 and code != two
            found += 1
            two, one = one, code
    return of_code, found, varied, digits


def trigram_sum(str text not None, np.ndarray weights not None):
    cdef const int8_t* weight = <const int8_t*> points(weights, np.NPY_INT8)
    cdef bytes raw = text.encode("utf-8", "replace")
    cdef const uint8_t* byte = <const uint8_t*> PyBytes_AS_STRING(raw)
    cdef Py_ssize_t i, size = len(raw)
    cdef uint32_t first = 32, second = byte[0] if size else 32, third
    cdef int64_t total = 0
    for i in range(1, size + 1):
        third = byte[i] if i < size else 32
        total += weight[(first * 40503 + second * 2531 + third * 14627) & (POINTS - 1)]
        first, second = second, third
    return total
