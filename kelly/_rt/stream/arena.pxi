# Memory of one extractor: everything is taken in prepare and freed together.

from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free

cdef enum:
    ARENA_BLOCKS = 64

cdef struct arena_t:
    int n_blocks
    void* blocks[ARENA_BLOCKS]


cdef void* arena_take(arena_t* arena, size_t n_bytes) except NULL:
    """Zeroed memory on a cache line of its own. [main]"""
    cdef void* block
    if arena.n_blocks == ARENA_BLOCKS:
        raise MemoryError("the front end's arena has no block left")
    block = calloc(1, n_bytes + 64)
    if block == NULL:
        raise MemoryError(f"no memory for {n_bytes} bytes of the front end")
    arena.blocks[arena.n_blocks] = block
    arena.n_blocks += 1
    return <void*>((<uintptr_t>block + 63) & ~<uintptr_t>63)


cdef float* arena_floats(arena_t* arena, Py_ssize_t n) except NULL:
    return <float*>arena_take(arena, n * sizeof(float))


cdef void arena_free(arena_t* arena) noexcept:
    cdef int i
    for i in range(arena.n_blocks):
        free(arena.blocks[i])
    arena.n_blocks = 0
