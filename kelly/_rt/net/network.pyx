"""A network: picks the engine for this processor, owns its state, runs time steps.

The engine module is imported only after the processor was asked; its functions come as a C table
through a capsule.  ``KELLY_RT_ISA`` forces one of ``sse2``, ``avx2``, ``avx512``.
"""

import os
from importlib import import_module
from time import perf_counter_ns

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from kelly._rt.net._table cimport *
from kelly._rt.net.engine_table cimport ENGINE_VERSION, engine_t

from kelly._rt.net.layers import ARITHMETICS
from kelly.errors import BackendUnavailableError

cnp.import_array()

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #define KELLY_HUGE(p, n) ((void)madvise((p), (n), MADV_HUGEPAGE))
    #else
    #define KELLY_HUGE(p, n) ((void)0)
    #endif
    #if defined(__SANITIZE_ADDRESS__)
    #define KELLY_SHARES_PAGES 0
    #else
    #define KELLY_SHARES_PAGES 1
    #endif
    #if defined(__GLIBC__)
    #include <malloc.h>
    #define KELLY_TRIM() ((void)malloc_trim(0))
    #else
    #define KELLY_TRIM() ((void)0)
    #endif
    """
    void KELLY_HUGE(void* p, size_t n) noexcept nogil
    void KELLY_TRIM() noexcept nogil
    const bint SHARES_PAGES "KELLY_SHARES_PAGES"

cdef extern from "cpu.h":
    int kelly_cpu_level() noexcept nogil

cdef enum:
    CACHE_LINE = 64
    HUGE_PAGE = 2 * 1024 * 1024
    SHARED = 8192  # bytes from which weights go to the huge pages
    SMALL = 200_000  # bytes of weights
    LARGE = 1_000_000
    MEASURED_TURNS = 8

_LEVELS = {"sse2": 1, "avx2": 3, "avx512": 4}


def available_isas():
    """Names of the engines that this processor runs, narrowest first.  [main]"""
    cdef int level = kelly_cpu_level()
    return tuple(name for name, needed in _LEVELS.items() if needed <= level)


def give_memory_back():
    """Return freed memory to the system: a model's text is three times its weights, and malloc would keep it.  [main]"""
    with nogil:
        KELLY_TRIM()


cdef dict _loaded = {}


cdef const engine_t* _engine(str isa) except NULL:
    if isa not in available_isas():
        raise BackendUnavailableError(
            f"KELLY_RT_ISA: expected one of {', '.join(available_isas())} (what this processor runs), found {isa!r}"
        )
    if isa not in _loaded:
        try:
            _loaded[isa] = import_module(f"kelly._rt.net.engine_{isa}").engine
        except ImportError as error:
            raise BackendUnavailableError(
                f"the {isa} engine is not built ({error}); run: python setup.py build_ext --inplace"
            ) from error
    cdef const engine_t* engine = <const engine_t*>PyCapsule_GetPointer(_loaded[isa], b"kelly._rt.net.engine")
    if engine.version != ENGINE_VERSION:
        raise BackendUnavailableError(f"the {isa} engine is from another build; run: python setup.py build_ext --inplace")
    return engine


def default_isa():
    """``KELLY_RT_ISA`` if set, else the widest available.  [main]"""
    return os.environ.get("KELLY_RT_ISA") or available_isas()[-1]


cdef void* _aligned(void* memory, size_t alignment) noexcept nogil:
    return <void*>((<uintptr_t>memory + alignment - 1) & ~<uintptr_t>(alignment - 1))


cdef class Slab:
    """Huge pages in which the weights of several networks lie one behind the other.

    Networks that are run one after the other then share what the processor knows about pages: with cold caches
    the five nets take 155 us instead of 223, and in 8 bits, where none fills a huge page of its own, 61 instead of 80.
    """

    def __cinit__(self, size_t nbytes):
        self.size = (nbytes + HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE
        self.memory = malloc(self.size + HUGE_PAGE)  # what nobody takes is never touched, so it costs no memory
        if self.memory == NULL:
            raise MemoryError(f"{self.size} bytes of weights")
        self.data = <char*>_aligned(self.memory, HUGE_PAGE)
        KELLY_HUGE(self.data, self.size)

    def __dealloc__(self):
        free(self.memory)


cdef Slab _slab = None  # the one with the most room; every Weights keeps its own alive


cdef Slab _slab_for(size_t nbytes):
    global _slab
    cdef Slab new
    if _slab is not None and _slab.users == 0:
        _slab.used = 0
    if _slab is not None and _slab.size - _slab.used >= nbytes:
        return _slab
    new = Slab(nbytes)
    if _slab is None or new.size - nbytes >= _slab.size - _slab.used:
        _slab = new
    return new


@cython.no_gc  # a slab is in no cycle, and must still be there when the weights go
cdef class Weights:
    """Packed weights, read-only once made; every clone of a network points here.

    [main]; a watched build gives each its own memory, or reading behind it would not be noticed.
    """

    def __cinit__(self, Py_ssize_t n_floats):
        self.nbytes = max(n_floats, 1) * sizeof(float)
        cdef size_t whole = (<size_t>self.nbytes + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
        if SHARES_PAGES and whole >= SHARED:
            self.slab = _slab_for(whole)
            self.data = <float*>(self.slab.data + self.slab.used)
            self.slab.used += whole
            self.slab.users += 1
        else:
            self.memory = malloc(self.nbytes + CACHE_LINE)
            if self.memory == NULL:
                raise MemoryError(f"{self.nbytes} bytes of weights")
            self.data = <float*>_aligned(self.memory, CACHE_LINE)
        memset(self.data, 0, self.nbytes)

    def __dealloc__(self):
        global _slab
        free(self.memory)
        if self.slab is not None:
            self.slab.users -= 1
            if self.slab is _slab and self.slab.users == 0 and self.slab.size > HUGE_PAGE:
                _slab = None  # one huge page is kept for the next network, many are not


cdef dict _ahead = {}  # address of an engine -> what was measured


cdef bint _fetch_ahead(const engine_t* engine, Weights weights):
    """Whether fetching weights ahead makes this processor faster: measured once, on the first large weights.

    On some it gains 15 % over the hardware's own prefetching, on others it loses as much.  It changes
    no bits.  Small nets always do it: they end before the hardware has noticed.
    """
    cdef Py_ssize_t n = weights.nbytes // sizeof(float)
    cdef uintptr_t key = <uintptr_t>engine
    cdef unsigned int total = 0
    cdef int turn
    if weights.nbytes < SMALL:
        return True
    if key not in _ahead and weights.nbytes < LARGE:
        return _ahead.get(key, False)
    if key not in _ahead:
        best = [None, None]
        for turn in range(2 * MEASURED_TURNS):
            start = perf_counter_ns()
            total += engine.read(weights.data, n, turn % 2)
            elapsed = perf_counter_ns() - start
            if turn > 1 and (best[turn % 2] is None or elapsed < best[turn % 2]):
                best[turn % 2] = elapsed
        _ahead[key] = best[1] < best[0]
    return _ahead[key]


cdef class Network:
    """A loaded network with its own state.

    plan    a kelly._rt.net.plan.Plan
    isa     which engine; None: default_isa()
    raises  BackendUnavailableError if the engine is not built or not for this processor; MemoryError
    thread  [main]; afterwards one owner at a time, see ``process``
    """

    def __cinit__(self, plan=None, isa=None, *, Network twin=None):
        cdef Py_ssize_t index
        cdef int64_t[:, ::1] table
        cdef cnp.npy_intp size
        if twin is not None:
            self.engine, self.weights, self.isa = twin.engine, twin.weights, twin.isa
            self.n_rows, self.work_size, self.arithmetic_code = twin.n_rows, twin.work_size, twin.arithmetic_code
            self.in_size, self.out_size, self.parameter_count = twin.in_size, twin.out_size, twin.parameter_count
            self.arithmetic = twin.arithmetic
        else:
            self.isa = default_isa() if isa is None else isa
            self.engine = _engine(self.isa)
            self.weights = Weights(plan.weights_size)
            size = plan.weights_size
            plan.pack(self.engine.panel, cnp.PyArray_SimpleNewFromData(1, &size, cnp.NPY_FLOAT32, self.weights.data))
            self.n_rows, self.work_size, self.arithmetic_code = len(plan.table), plan.work_size, ARITHMETICS.index(plan.arithmetic)
            self.in_size, self.out_size, self.parameter_count = plan.in_size, plan.out_size, plan.parameter_count
            self.arithmetic = plan.arithmetic
        self.memory = calloc(self.own_bytes() + CACHE_LINE, 1)
        if self.memory == NULL:
            raise MemoryError(f"{self.own_bytes()} bytes of state")
        self.work = <float*>_aligned(self.memory, CACHE_LINE)
        self.table = <int64_t*>(self.work + self.work_size)
        self.data = self.weights.data
        self.ahead = twin.ahead if twin is not None else _fetch_ahead(self.engine, self.weights)
        if twin is not None:
            memcpy(self.work, twin.work, self.own_bytes())
            self.x = self.work + (twin.x - twin.work)
            self.y = self.work + (twin.y - twin.work)
        else:
            table = plan.table
            memcpy(self.table, &table[0, 0], self.n_rows * N_COLUMNS * sizeof(int64_t))
            self.x, self.y = self.work + <Py_ssize_t>plan.x, self.work + <Py_ssize_t>plan.y
            self.clear()

    def __dealloc__(self):
        free(self.memory)

    cdef size_t own_bytes(self) noexcept nogil:
        return self.work_size * sizeof(float) + self.n_rows * N_COLUMNS * sizeof(int64_t)

    cdef int step(self, const float* x, float* y) noexcept nogil:
        """One time step; x float[in_size], y float[out_size], may be the same memory.  [owner]; 0 = ok."""
        memcpy(self.x, x, self.in_size * sizeof(float))
        self.engine.run(self.table, self.n_rows, self.data, self.work, self.arithmetic_code, self.ahead)
        memcpy(y, self.y, self.out_size * sizeof(float))
        return 0

    cdef void clear(self) noexcept nogil:
        """State to zero.  [owner]"""
        cdef Py_ssize_t index
        cdef const int64_t* row = self.table
        memset(self.work, 0, self.work_size * sizeof(float))
        for index in range(self.n_rows):
            if row[COLUMN_ONE] >= 0:
                self.work[row[COLUMN_ONE]] = 1
            if row[COLUMN_ONE_2] >= 0:
                self.work[row[COLUMN_ONE_2]] = 1
            row += N_COLUMNS

    cdef _check(self, str name, object array, Py_ssize_t size):
        if array.dtype != np.float32:
            raise TypeError(f"{name}: expected float32 in native byte order, found {array.dtype.str}")
        if not array.flags.c_contiguous or not array.flags.aligned:
            raise ValueError(f"{name}: expected a C-contiguous, aligned array, found strides {array.strides}")
        raise ValueError(f"{name}: expected float32 ({size},) or (steps, {size}), found float32 {array.shape}")

    def process(self, cnp.ndarray x not None, cnp.ndarray out not None):
        """One time step or a block of them, into the caller's array.

        x       float32 C-contiguous (in_size,) or (steps, in_size)
        out     float32 C-contiguous, writable (out_size,) or (steps, out_size); may be x itself where sizes agree
        raises  TypeError, ValueError: nothing was computed; RuntimeError while another thread is inside
        thread  [owner]; a step holds the GIL, a block releases it; no allocation
        """
        cdef Py_ssize_t steps, t
        cdef const float* source
        cdef float* target
        cdef int n_axes = cnp.PyArray_NDIM(x)
        if (cnp.PyArray_TYPE(x) != cnp.NPY_FLOAT32 or not cnp.PyArray_ISCARRAY_RO(x) or not 1 <= n_axes <= 2
                or cnp.PyArray_DIM(x, n_axes - 1) != self.in_size):
            self._check("x", x, self.in_size)
        if (cnp.PyArray_TYPE(out) != cnp.NPY_FLOAT32 or not cnp.PyArray_ISCARRAY_RO(out) or cnp.PyArray_NDIM(out) != n_axes
                or cnp.PyArray_DIM(out, n_axes - 1) != self.out_size):
            self._check("out", out, self.out_size)
        if not cnp.PyArray_ISWRITEABLE(out):
            raise ValueError("out: expected a writable array, found a read-only one")
        if self.busy:
            raise RuntimeError("this network is running in another thread; give each thread its own clone()")
        source, target = <const float*>cnp.PyArray_DATA(x), <float*>cnp.PyArray_DATA(out)
        if n_axes == 1:
            self.step(source, target)
            return
        steps = cnp.PyArray_DIM(x, 0)
        if cnp.PyArray_DIM(out, 0) != steps:
            raise ValueError(f"out: expected ({steps}, {self.out_size}), found {(<object>out).shape}")
        if (source < target + steps * self.out_size and target < source + steps * self.in_size
                and not (source == target and self.in_size == self.out_size)):
            raise ValueError("out: expected memory apart from x, or x itself; found a partial overlap")
        self.busy = True
        with nogil:
            for t in range(steps):
                self.step(source + t * self.in_size, target + t * self.out_size)
        self.busy = False

    def __call__(self, x):
        """``process`` into a new array.

        x        array-like (in_size,) or (steps, in_size), converted to float32
        returns  float32 (out_size,) or (steps, out_size)
        thread   [owner]; allocates
        """
        x = np.ascontiguousarray(x, dtype=np.float32)
        out = np.empty((*x.shape[:-1], self.out_size), dtype=np.float32)
        self.process(x, out)
        return out

    def reset(self):
        """State to zero: the next step is the first again.  [owner], no allocation"""
        if self.busy:
            raise RuntimeError("this network is running in another thread")
        self.clear()

    def clone(self):
        """A network with a copy of this state and the same weights, which are never written again.

        thread  [owner]; afterwards the two may run in different threads
        """
        return Network(twin=self)

    def read_weights(self):
        """Read every weight once and return a checksum: the floor that ``process`` is measured against.  [owner]"""
        cdef unsigned int total
        total = self.engine.read(self.data, self.weights.nbytes // sizeof(float), self.ahead)
        return total

    @property
    def nbytes(self):
        """Bytes of weights, state and plan; clones share the weights."""
        return self.weights.nbytes + self.own_bytes()

    def __repr__(self):
        return f"<Network {self.in_size} -> {self.out_size}, {self.parameter_count} parameters, {self.arithmetic}, {self.isa}>"
