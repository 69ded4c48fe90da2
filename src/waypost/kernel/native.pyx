# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What ``plain.py`` says, compiled. Every index is held to its table here: no text and no array reads beyond one.

Whole numbers are added up exactly, and the few operations on fractions are those of ``plain.py`` in the same order: the build
forbids the compiler to fuse them. A call keeps nothing.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport copysignf, exp, fabsf, rintf, sqrt, sqrtf
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from numpy import float32, float64, frombuffer, int64, uint32

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


cdef check_points(Py_ssize_t size):
    if size != POINTS:
        raise ValueError("a table of code points has 65536")


def ngrams(str text not None, const uint32_t[::1] folded not None, const uint8_t[::1] kinds not None):
    check_points(folded.shape[0])
    check_points(kinds.shape[0])
    cdef uint32_t* codes = <uint32_t*> malloc((len(text) + 2) * sizeof(uint32_t))
    if codes is NULL:
        raise MemoryError
    try:
        return rows_of(codes, fold(text, &folded[0], codes), &kinds[0])
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
    cdef bytes rows = PyBytes_FromStringAndSize(NULL, count * sizeof(int64_t))
    cdef bytes starts = PyBytes_FromStringAndSize(NULL, words * sizeof(int64_t))
    cdef int64_t* row = <int64_t*> PyBytes_AS_STRING(rows)
    cdef uint32_t three
    for i in range(threes):
        three = ((codes[i] + 1) * BASE + codes[i + 1] + 1) * BASE + codes[i + 2] + 1
        row[i] = row_of(three)
        if i < fives:
            row[threes + i] = row_of((three * BASE + codes[i + 3] + 1) * BASE + codes[i + 4] + 1)
    if words:
        rows_of_words(codes, size, kinds, words, row + threes + fives, <int64_t*> PyBytes_AS_STRING(starts))
    found = frombuffer(PyBytes_FromStringAndSize(<const char*> codes, size * sizeof(uint32_t)), uint32)
    return found, frombuffer(rows, int64), threes + fives, frombuffer(starts, int64)


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


def label_scores(const int64_t[::1] rows not None, Py_ssize_t chars, const int8_t[:, ::1] table not None, double scale):
    cdef uint8_t[ROWS >> 3] seen
    cdef Py_ssize_t[2] counts
    cdef Py_ssize_t i, j, width = table.shape[1]
    cdef int64_t row
    cdef int words
    cdef double share
    if table.shape[0] > ROWS or rows.shape[0] > MOST:
        raise ValueError("too many rows")
    cdef bytes found = PyBytes_FromStringAndSize(NULL, width * sizeof(double))
    cdef double* scores = <double*> PyBytes_AS_STRING(found)
    cdef int32_t* sums = zeros(2 * width)
    try:
        memset(seen, 0, sizeof(seen))
        counts[0] = counts[1] = 0
        for i in range(rows.shape[0] - 1, -1, -1):
            row = rows[i]
            if not 0 <= row < table.shape[0]:
                raise IndexError(row)
            if i >= AHEAD and 0 <= rows[i - AHEAD] < table.shape[0]:
                fetch(&table[rows[i - AHEAD], 0])
            if seen[row >> 3] >> (row & 7) & 1:
                continue
            seen[row >> 3] |= 1 << (row & 7)
            words = i >= chars
            counts[words] += 1
            for j in range(width):
                sums[words * width + j] += table[row, j]
        memset(scores, 0, width * sizeof(double))
        for words in range(2):
            if counts[words]:
                share = scale / sqrt(<double> counts[words])
                for j in range(width):
                    scores[j] += sums[words * width + j] * share
    finally:
        free(sums)
    return frombuffer(found, float64)


def row_sums(const int64_t[::1] rows not None, const int8_t[:, ::1] table not None):
    cdef Py_ssize_t i, j, width = table.shape[1]
    if rows.shape[0] > MOST:
        raise ValueError("too many rows")
    cdef bytes found = PyBytes_FromStringAndSize(NULL, width * sizeof(double))
    cdef double* whole = <double*> PyBytes_AS_STRING(found)
    cdef int32_t* sums = zeros(width)
    try:
        for i in range(rows.shape[0]):
            if not 0 <= rows[i] < table.shape[0]:
                raise IndexError(rows[i])
            for j in range(width):
                sums[j] += table[rows[i], j]
        for j in range(width):
            whole[j] = sums[j]
    finally:
        free(sums)
    return frombuffer(found, float64)


def sketch(const int64_t[::1] rows not None, Py_ssize_t chars, Py_ssize_t places):
    if places < 1 or places & (places - 1):
        raise ValueError("places are a power of 2")
    if rows.shape[0] > MOST:
        raise ValueError("too many rows")
    cdef bytes found = PyBytes_FromStringAndSize(NULL, places * sizeof(float))
    cdef float* unit = <float*> PyBytes_AS_STRING(found)
    cdef double* whole = <double*> malloc(places * sizeof(double))
    if whole is NULL:
        raise MemoryError
    cdef int32_t* counts = NULL
    cdef int32_t* counted
    cdef Py_ssize_t i
    cdef double of_chars, of_words, length
    try:
        counts = zeros(2 * places)
        for i in range(rows.shape[0]):
            counted = counts + (rows[i] & (places - 1)) + places * (i >= chars)
            counted[0] += 1 - 2 * ((rows[i] & places) != 0)
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
    return frombuffer(found, float32)


cdef double length_of(const int32_t* counts, Py_ssize_t size) noexcept:
    """Of the vector; 1 of one of zeros."""
    cdef int64_t total = 0
    cdef Py_ssize_t i
    for i in range(size):
        total += <int64_t> counts[i] * counts[i]
    return sqrt(<double> total) or 1


def damped(const float[::1] vector not None):
    cdef float largest = 0, scale
    cdef Py_ssize_t i, size = vector.shape[0]
    for i in range(size):
        largest = max(largest, fabsf(vector[i]))
    if not largest:
        return b""
    scale = <float> (127 / <double> sqrtf(largest))
    cdef bytes found = PyBytes_FromStringAndSize(NULL, size)
    cdef int8_t* root = <int8_t*> PyBytes_AS_STRING(found)
    for i in range(size):
        root[i] = <int8_t> rintf(copysignf(sqrtf(fabsf(vector[i])), vector[i]) * scale)
    return found


def softmax(const double[::1] scores not None):
    cdef Py_ssize_t i, size = scores.shape[0]
    cdef bytes found = PyBytes_FromStringAndSize(NULL, size * sizeof(double))
    cdef double* shares = <double*> PyBytes_AS_STRING(found)
    cdef double largest = scores[0] if size else 0, total = 0
    for i in range(size):
        largest = max(largest, scores[i])
    for i in range(size):
        shares[i] = exp(scores[i] - largest)
        total += shares[i]
    for i in range(size):
        shares[i] /= total
    return frombuffer(found, float64)


def products(const double[:, ::1] table not None, const double[::1] vector not None):
    cdef Py_ssize_t i, j
    cdef double total
    cdef list found = []
    if table.shape[1] != vector.shape[0]:
        raise ValueError("a row has as many numbers as the vector")
    for i in range(table.shape[0]):
        total = 0
        for j in range(table.shape[1]):
            total += table[i, j] * vector[j]
        found.append(total)
    return found


def marks(const uint32_t[::1] codes not None, const uint8_t[::1] code_marks not None, const uint8_t[::1] letters not None):
    cdef Py_ssize_t i, of_code = 0, found = 0, digits = 0
    cdef uint32_t code, one = 0, two = 0
    cdef bint varied = False
    check_points(code_marks.shape[0])
    check_points(letters.shape[0])
    for i in range(codes.shape[0]):
        code = codes[i]
        if code >= POINTS:
            raise IndexError(code)
        of_code += code_marks[code]
        digits += code == DIGIT
        if letters[code]:
            varied |= found >= 2 and code != two
            found += 1
            two, one = one, code
    return of_code, found, varied, digits


def trigram_sum(str text not None, const int8_t[::1] weights not None):
    check_points(weights.shape[0])
    cdef bytes raw = text.encode("utf-8", "replace")
    cdef const uint8_t* byte = <const uint8_t*> PyBytes_AS_STRING(raw)
    cdef Py_ssize_t i, size = len(raw)
    cdef uint32_t first = 32, second = byte[0] if size else 32, third
    cdef int64_t total = 0
    for i in range(1, size + 1):
        third = byte[i] if i < size else 32
        total += weights[(first * 40503 + second * 2531 + third * 14627) & (POINTS - 1)]
        first, second = second, third
    return total
