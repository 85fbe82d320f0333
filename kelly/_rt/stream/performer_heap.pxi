# The heap of planned events, the next one on top: by frame, releases before strikes, then by serial.  [performer]

cdef int rank(const event_t* e) noexcept nogil:
    """Within one frame: releases, then controllers and programs, then strikes."""
    cdef uint8_t kind = e.status & 0xF0
    if kind == 0x80 or (kind == 0x90 and e.data2 == 0):
        return 0
    return 2 if kind == 0x90 else 1


cdef bint before(const event_t* a, const event_t* b) noexcept nogil:
    if a.frame != b.frame:
        return a.frame < b.frame
    cdef int ra = rank(a), rb = rank(b)
    if ra != rb:
        return ra < rb
    return a.serial < b.serial


cdef void heap_push(performer_t* p, const event_t* e) noexcept nogil:
    cdef int32_t at = p.size, parent
    p.size += 1
    while at > 0:
        parent = (at - 1) // 2
        if not before(e, &p.heap[parent]):
            break
        p.heap[at] = p.heap[parent]
        at = parent
    p.heap[at] = e[0]


cdef void heap_pop(performer_t* p) noexcept nogil:
    """Remove the first event; the caller has read it at heap[0]."""
    p.size -= 1
    if p.size == 0:
        return
    cdef event_t last = p.heap[p.size]
    cdef int32_t at = 0, child
    while True:
        child = 2 * at + 1
        if child >= p.size:
            break
        if child + 1 < p.size and before(&p.heap[child + 1], &p.heap[child]):
            child += 1
        if not before(&p.heap[child], &last):
            break
        p.heap[at] = p.heap[child]
        at = child
    p.heap[at] = last


cdef void forget_strikes(performer_t* p) noexcept nogil:
    """Drop every planned event: their notes are being released anyway."""
    p.size = 0


cdef void forget_planned(performer_t* p, const silence_t* s) noexcept nogil:
    """Drop what a panic of a recording dropped: what was planned by then, and reflexes before it."""
    cdef int32_t i, n = p.size
    cdef event_t e
    p.size = 0
    for i in range(n):
        e = p.heap[i]                                       # pushed again at or before its place: none is overwritten unread
        if (e.frame > s.at) if e.part == REFLEX else (e.serial > s.serial):
            heap_push(p, &e)
