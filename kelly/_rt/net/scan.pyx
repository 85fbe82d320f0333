# cython: cdivision=True
"""Strict JSON, read straight into float32: the text of a model file -> its few values and its arrays.

Everything that json libraries let pass is refused here, each with a place: duplicate keys, NaN,
numbers beyond float32, comments, trailing commas and text, lone surrogates, control characters.
The arrays under ``layers[i].weights`` never become Python numbers: they are scanned decimal -> double
-> float32 into one buffer each.  Keys that the format does not know are checked and skipped, so what
stays in memory is bounded by the arrays and ``MAX_VALUES`` small values.

source  RFC 8259 (JSON), RFC 6901 (pointers); decimal.pxi for numbers
"""

import numpy as np

cimport numpy as cnp
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcmp, memcpy

from json.decoder import scanstring

from kelly._rt.net.layers import OPTION_KEYS

cnp.import_array()

cdef enum:
    MAX_DEPTH = 64
    MAX_AXES = 8
    MAX_ARRAYS = 16  # per layer; the format knows at most four
    MAX_FAULTS = 20  # per array
    MAX_VALUES = 200000  # kept Python values

include "decimal.pxi"

cdef float FLOAT_MAX = np.finfo(np.float32).max

# what to do with a value
cdef enum:
    SKIP  # check the syntax only
    KEEP  # Python objects
    ROOT  # the document
    LAYERS
    LAYER
    WEIGHTS
    ARRAY  # float32

cdef dict _ROOT_KINDS = {"in_shape": KEEP, "layers": LAYERS, "kelly": KEEP}
cdef dict _LAYER_KINDS = {"type": KEEP, "activation": KEEP, "shape": KEEP, "weights": WEIGHTS} | dict.fromkeys(OPTION_KEYS, KEEP)


class ScanError(Exception):
    """The text is not JSON from here on.

    pointer   where the scanner was
    offset    byte in the text
    """

    def __init__(self, pointer, offset, expected, found, hint=""):
        super().__init__(f"{pointer}: expected {expected}, found {found}")
        self.pointer, self.offset, self.expected, self.found, self.hint = pointer, offset, expected, found, hint


class Skipped:
    """Stands for a value that was checked and not kept; ``kind`` is what it was."""

    def __init__(self, kind):
        self.kind = kind

    def __repr__(self):
        return self.kind


class BrokenArray:
    """Stands for an array of numbers with faults, tuples (pointer, expected, found, hint)."""

    def __init__(self, faults, shape):
        self.faults, self.shape = faults, shape


cdef dict _SKIPPED = {kind: Skipped(kind) for kind in ("object", "array", "string", "number", "boolean", "null")}


def pointer_token(token):
    """One step of a JSON pointer, escaped."""
    return str(token).replace("~", "~0").replace("/", "~1")


cdef int _compare(const void* a, const void* b) noexcept nogil:
    cdef int64_t x = (<const int64_t*>a)[0], y = (<const int64_t*>b)[0]
    return (x > y) - (x < y)


cdef class _Memory:
    """Owns the floats of one array."""
    cdef float* numbers
    cdef Py_ssize_t room

    def __dealloc__(self):
        free(self.numbers)

    cdef int grow(self) except -1:
        cdef void* grown = realloc(self.numbers, (2 * self.room + 256) * sizeof(float))
        if grown == NULL:
            raise MemoryError("numbers of an array")
        self.numbers = <float*>grown
        self.room = 2 * self.room + 256
        return 0

    cdef int shrink(self, Py_ssize_t n) except -1:
        cdef void* fitting = realloc(self.numbers, max(n, 1) * sizeof(float))
        if fitting != NULL:
            self.numbers = <float*>fitting
        return 0


cdef class _Scanner:
    cdef bytes data
    cdef const char* start
    cdef const char* end
    cdef const char* p
    cdef list path
    cdef int depth
    cdef Py_ssize_t n_values
    # the array being read
    cdef _Memory memory
    cdef Py_ssize_t n_numbers
    cdef Py_ssize_t[MAX_AXES] lengths, index
    cdef bint[MAX_AXES] nested
    cdef int leaf, axes_open
    cdef list faults
    # hashes of the keys of skipped objects, a stack
    cdef int64_t* hashes
    cdef Py_ssize_t n_hashes, hash_room

    def __cinit__(self, bytes data):
        self.data = data
        self.start = self.p = PyBytes_AS_STRING(data)
        self.end = self.start + PyBytes_GET_SIZE(data)
        self.path = []

    def __dealloc__(self):
        free(self.hashes)

    # ------------------------------------------------------------ errors

    cdef str pointer(self):
        cdef int axis
        place = "".join(["/" + pointer_token(token) for token in self.path])
        return place + "".join([f"/{self.index[axis]}" for axis in range(self.axes_open)])

    cdef object fail(self, str expected, str hint=""):
        """A ScanError about what stands at p."""
        cdef int64_t offset = self.p - self.start
        if self.p >= self.end:
            return ScanError(self.pointer(), offset, expected, "the end of the file", hint or "the file is cut off")
        text = self.data[offset : offset + 12].decode("ascii", "backslashreplace")
        if self.p[0] == c"/" or self.p[0] == c"#":
            hint = hint or "JSON has no comments"
        if text.startswith(("NaN", "nan", "Inf", "inf", "-Inf", "-inf")):
            hint = hint or "JSON has no NaN or infinity"
        if text.startswith("'"):
            hint = hint or "JSON strings stand in double quotes"
        line = self.data.count(b"\n", 0, offset) + 1
        column = offset - (self.data.rfind(b"\n", 0, offset) + 1) + 1
        return ScanError(self.pointer(), offset, expected, f"{text[:1]!r} at line {line}, column {column}", hint)

    # ------------------------------------------------------------ tokens

    cdef inline void space(self) noexcept:
        while self.p[0] == c" " or self.p[0] == c"\n" or self.p[0] == c"\r" or self.p[0] == c"\t":
            self.p += 1

    cdef bint word(self, const char* text, Py_ssize_t n) noexcept:
        if self.end - self.p >= n and memcmp(self.p, text, n) == 0:
            self.p += n
            return True
        return False

    cdef inline int number(self, double* value, bint* whole) except -1:
        """Read a JSON number at p."""
        cdef const char* missing = NULL
        self.p = read_decimal(self.p, self.end, value, whole, &missing)
        if missing is not NULL:
            raise self.fail(missing.decode())
        return 0

    cdef str string(self):
        """Read the string at p, which is a quote."""
        cdef const char* begin
        cdef bint escaped = False
        self.p += 1
        begin = self.p
        while True:
            if self.p >= self.end:
                raise self.fail("the end of a string")
            if self.p[0] == c'"':
                break
            if self.p[0] == c"\\":
                escaped = True
                self.p += 1
                if self.p >= self.end:
                    raise self.fail("the rest of an escape")
            elif <unsigned char>self.p[0] < 0x20:
                raise self.fail("no control character inside a string")
            self.p += 1
        try:
            text = PyUnicode_DecodeUTF8(begin, self.p - begin, NULL)
            if escaped:
                text = scanstring(text + '"', 0, True)[0]
                text.encode()  # a lone surrogate is no text
        except ValueError as error:
            raise self.fail("UTF-8 text and JSON escapes in a string", str(error).split(":")[0]) from None
        self.p += 1
        return text

    # ------------------------------------------------------------ values

    cdef object value(self, int kind):
        """Read the value at p; what it becomes depends on ``kind``."""
        cdef double number
        cdef bint whole
        cdef char c
        self.space()
        if self.p >= self.end:
            raise self.fail("a value")
        c = self.p[0]
        if kind != SKIP:
            self.count()
        if c == c"{" or c == c"[":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.fail(f"at most {MAX_DEPTH} levels", "this is not a model")
            if c == c"{":
                found = self.skip_object() if kind == SKIP or kind >= WEIGHTS else self.keep_object(kind)
            elif kind == ARRAY:
                found = self.array()
            else:
                found = self.elements(kind)
            self.depth -= 1
            return found
        if c == c'"':
            text = self.string()
            return _SKIPPED["string"] if kind == SKIP else text
        if c == c"-" or c"0" <= c <= c"9":
            self.number(&number, &whole)
            if kind == SKIP:
                return _SKIPPED["number"]
            return int(number) if whole and -1e15 < number < 1e15 else number
        if self.word(b"true", 4):
            return _SKIPPED["boolean"] if kind == SKIP else True
        if self.word(b"false", 5):
            return _SKIPPED["boolean"] if kind == SKIP else False
        if self.word(b"null", 4):
            return _SKIPPED["null"] if kind == SKIP else None
        rest = self.data[self.p - self.start : self.p - self.start + 6]
        if any([word.startswith(rest) for word in (b"true", b"false", b"null")]):
            self.p = self.end
        raise self.fail("a value")

    cdef int count(self) except -1:
        """One more Python object that stays."""
        self.n_values += 1
        if self.n_values > MAX_VALUES:
            raise self.fail(f"at most {MAX_VALUES} values outside of weights", "this is not a model")
        return 0

    cdef str key(self):
        self.space()
        if self.p >= self.end or self.p[0] != c'"':
            raise self.fail("a key in double quotes")
        key = self.string()
        self.space()
        if self.p[0] != c":":
            raise self.fail("':'")
        self.p += 1
        return key

    cdef bint more(self, char closing, bint first) except -1:
        """Step over a comma or the closing bracket; False at the end."""
        self.space()
        if self.p < self.end:
            if self.p[0] == closing:
                self.p += 1
                return False
            if first:
                return True
            if self.p[0] == c",":
                self.p += 1
                self.space()
                if self.p < self.end and self.p[0] == closing:
                    raise self.fail("a value after the comma", "JSON has no trailing comma")
                return True
        raise self.fail(f"',' or {chr(closing)!r}")

    cdef object keep_object(self, int kind):
        cdef dict kinds = _ROOT_KINDS if kind == ROOT else _LAYER_KINDS if kind == LAYER else None
        cdef dict found = {}
        cdef bint first = True
        self.p += 1
        while self.more(c"}", first):
            first = False
            key = self.key()
            self.path.append(key)
            if key in found:
                raise self.fail("each key once", f"{key!r} stands here twice")
            found[key] = self.value(kinds.get(key, SKIP) if kinds is not None else KEEP)
            self.count()
            self.path.pop()
        return found

    cdef object skip_object(self):
        """Only hashes of the keys are kept, so that a large foreign object costs little."""
        cdef Py_ssize_t mark = self.n_hashes, i
        cdef bint first = True
        cdef void* grown
        self.p += 1
        while self.more(c"}", first):
            first = False
            key = self.key()
            if self.n_hashes == self.hash_room:
                grown = realloc(self.hashes, (2 * self.hash_room + 64) * sizeof(int64_t))
                if grown == NULL:
                    raise MemoryError
                self.hashes = <int64_t*>grown
                self.hash_room = 2 * self.hash_room + 64
            self.hashes[self.n_hashes] = hash(key)
            self.n_hashes += 1
            self.path.append(key)
            self.value(SKIP)
            self.path.pop()
        if self.n_hashes - mark > 1:  # qsort may not be given the place of no memory, even with nothing to sort
            qsort(self.hashes + mark, self.n_hashes - mark, sizeof(int64_t), _compare)
        for i in range(mark + 1, self.n_hashes):
            if self.hashes[i] == self.hashes[i - 1]:
                raise self.fail("each key of an object once", "a key stands in this object twice")
        self.n_hashes = mark
        return _SKIPPED["object"]

    cdef object elements(self, int kind):
        """A JSON array of anything."""
        cdef list found = []
        cdef bint first = True
        cdef Py_ssize_t index = 0
        cdef int inner = kind
        if kind == ROOT:
            inner = SKIP
        elif kind == LAYERS:
            inner = LAYER
        elif kind == LAYER:
            inner = SKIP
        elif kind == WEIGHTS:
            inner = ARRAY
        self.p += 1
        self.path.append(0)
        while self.more(c"]", first):
            first = False
            self.path[-1] = index
            if kind == WEIGHTS and index >= MAX_ARRAYS:
                inner = SKIP
            item = self.value(inner)
            if inner != SKIP or (kind == WEIGHTS and index == MAX_ARRAYS):
                found.append(item)
            index += 1
        self.path.pop()
        return _SKIPPED["array"] if kind in (SKIP, ROOT, LAYER) else found

    # ------------------------------------------------------------ arrays of numbers

    cdef object array(self):
        """The array at p -> float32 ndarray, or BrokenArray."""
        cdef int axis, n_axes = 0
        cdef cnp.npy_intp[MAX_AXES] sizes
        cdef cnp.ndarray found
        self.memory = _Memory()
        self.n_numbers = 0
        self.leaf = -1
        self.faults = []
        for axis in range(MAX_AXES):
            self.lengths[axis] = -1
            self.nested[axis] = False
        self.axis(0)
        while n_axes < MAX_AXES and self.lengths[n_axes] >= 0:
            n_axes += 1
        shape = tuple([self.lengths[axis] for axis in range(n_axes)])
        if self.faults:
            return BrokenArray(self.faults, shape)
        self.memory.shrink(self.n_numbers)
        for axis in range(n_axes):
            sizes[axis] = self.lengths[axis]
        found = cnp.PyArray_SimpleNewFromData(n_axes, sizes, cnp.NPY_FLOAT32, self.memory.numbers)
        cnp.set_array_base(found, self.memory)
        return found

    cdef int fault(self, int axis, str expected, str found, str hint="") except -1:
        """Note what is wrong at the current element of ``axis``."""
        cdef int open = self.axes_open
        if len(self.faults) < MAX_FAULTS:
            self.axes_open = axis + 1
            self.faults.append((self.pointer(), expected, found, hint))
            self.axes_open = open
        return 0

    cdef int axis(self, int axis) except -1:
        """The elements of one nested array; p is its opening bracket."""
        cdef double number
        cdef bint whole, first = True
        cdef const char* begin
        cdef char c
        if axis == MAX_AXES - 1:
            raise self.fail("at most 4 axes", "this is not an array of weights")
        self.index[axis] = 0
        self.axes_open = axis + 1
        self.p += 1
        while self.more(c"]", first):
            first = False
            self.space()
            c = self.p[0]
            if c == c"-" and self.p[1] == c"I":
                c = c"I"
            if c == c"-" or c"0" <= c <= c"9":
                begin = self.p
                self.number(&number, &whole)
                if self.p[0] > c"," and self.p[0] != c"]":
                    raise self.fail("',' or ']'")
                if self.nested[axis]:
                    self.fault(axis, "an array", "a number", "rows of one length are wanted")
                elif self.leaf < 0:
                    self.leaf = axis
                if number > FLOAT_MAX or number < -FLOAT_MAX:
                    number = <double><float>number  # may round to the largest
                    if number == INFINITY or number == -INFINITY:
                        text = self.data[begin - self.start : min(self.p - begin, 24) + (begin - self.start)].decode()
                        self.fault(axis, "a number within float32, 3.4e38", text)
                        number = 0
                if self.n_numbers == self.memory.room:
                    self.memory.grow()
                self.memory.numbers[self.n_numbers] = <float>number
                self.n_numbers += 1
            elif c == c"[" and self.leaf != axis:
                self.nested[axis] = True
                self.axis(axis + 1)
            elif self.word(b"NaN", 3) or self.word(b"Infinity", 8) or self.word(b"-Infinity", 9):
                self.fault(axis, "a finite number", self.data[self.p - self.start - 3 : self.p - self.start].decode()
                           .replace("ity", "infinity"), "JSON has no NaN or infinity; the training diverged")
            else:
                found = self.value(SKIP)
                self.fault(axis, "a number" if self.leaf == axis or self.leaf < 0 else "an array of numbers", repr(found))
            self.index[axis] += 1
        self.axes_open = axis
        if self.lengths[axis] < 0:
            self.lengths[axis] = self.index[axis]
        elif self.lengths[axis] != self.index[axis]:
            self.fault(axis - 1, f"{self.lengths[axis]} values, as in the first row", f"{self.index[axis]}", "ragged rows")
        return 0


def scan(bytes data):
    """Read a model file's text.

    data     the whole file
    returns  the document: dict with Python values, Skipped for what the format does not know, and per layer a
             list of float32 ndarrays or BrokenArray under "weights"; Skipped if it is not an object
    raises   ScanError where the text stops being JSON
    thread   [main]
    """
    scanner = _Scanner(data)
    found = scanner.value(ROOT)
    scanner.space()
    if scanner.p < scanner.end:
        raise scanner.fail("the end of the file", "text after the document")
    return found
