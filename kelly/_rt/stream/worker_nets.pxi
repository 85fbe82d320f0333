# The nets that the worker asks: whose answer it is, and how one gives way to another.  [worker]
#
# Each of the five has a slot.  An answer is the model's, the rule's, or a mixture of both for half a second; a model
# whose answer is not finite is left alone for a while, twice as long each time.  A new network arrives in the slot's
# mailbox and takes over within half a second, the old one goes back by a ring, to be freed by Python.  A worker that
# falls behind a device asks less, and the newest answer has to do.

cdef enum:
    RETRY_TICKS = 25                # one second
    RETRY_MOST = 1500               # one minute

cdef float FADE = 0.04 / 0.5        # per tick: half a second
cdef double[4] BEHIND_S = [0.25, 0.5, 0.75, 1.0]       # of the device, at which each step of shedding begins
cdef double CAUGHT_UP_S = 0.1                           # and at which all of it ends


cdef float towards(float value, float target) noexcept nogil:
    """One tick of a half-second fade."""
    if value < target:
        return min(value + FADE, target)
    return max(value - FADE, target)


cdef void net_clear(worker_t* w, int net) noexcept nogil:
    if w.nets[net].network != NULL:
        (<Network>w.nets[net].network).clear()


cdef void forget(worker_t* w) noexcept nogil:
    """The recognizer and its rule as new."""
    net_clear(w, NET_EMOTIONRECOGNIZER)
    rule_reset(&w.rule)


cdef void look_behind(worker_t* w, int64_t frame) noexcept nogil:
    """How much to leave out; nothing of a file, which waits."""
    cdef double behind_s
    cdef int i
    if w.lossless:
        return
    behind_s = (kelly_get(&w.capture.frames) - frame) / w.sample_rate_hz
    if behind_s < CAUGHT_UP_S:
        w.shedding = 0
    for i in range(4):
        if behind_s > BEHIND_S[i]:
            w.shedding = max(w.shedding, i + 1)


cdef bint held_back(worker_t* w, int net) noexcept nogil:
    """The worker is behind a device: the newest answer has to do."""
    if net == NET_EMOTIONRECOGNIZER:
        if w.shedding < 4 and w.index % 2 == 0:
            return False
        kelly_add(&w.shed_hops, 1)
        return True
    if w.shedding < (2 if net == NET_GROOVEPREDICTOR else 3):
        return False
    kelly_add(&w.shed_answers, 1)
    return True


cdef bint net_step(worker_t* w, int net, const float* x, float* y) noexcept nogil:
    """The model's answer, the leaving model's still in it; False where it is not finite."""
    cdef net_slot_t* slot = &w.nets[net]
    cdef int n = rule_out_size(net), i
    if (<Network>slot.network).step(x, y) != 0 or not finite(y, n):
        return False
    if slot.leaving != NULL and (<Network>slot.leaving).step(x, w.other) == 0 and finite(w.other, n):
        for i in range(n):
            y[i] = w.other[i] + slot.swap * (y[i] - w.other[i])
    return True


cdef void net_ask(worker_t* w, int net, const float* x, float* y) noexcept nogil:
    """The answer of a net: the model's, the rule's, or a mixture while one gives way to the other."""
    cdef net_slot_t* slot = &w.nets[net]
    cdef int n = rule_out_size(net), i
    cdef float mix = slot.mix, share = 0.0
    if w.shedding and held_back(w, net):
        return
    if mix > 0.0:
        if net_step(w, net, x, y):
            slot.failures = 0
            rule_fill(net, x, y)
            share = mix * w.turned[CONTROL_BLEND] * w.turned[CONTROL_BLEND_EMOTION + net]
            if share == 1.0:
                return
        else:
            kelly_add(&slot.faults, 1)
            net_clear(w, net)
            slot.held = min(RETRY_TICKS << min(slot.failures, 10), RETRY_MOST)
            slot.failures += 1
            slot.mix = mix = share = 0.0
    if net != NET_EMOTIONRECOGNIZER:                            # whose rule has answered already
        rule_for(net, x, w.ruled, &w.rule)
    for i in range(n):
        y[i] = w.ruled[i] if share == 0.0 else w.ruled[i] + share * (y[i] - w.ruled[i])


cdef void net_reload(worker_t* w, net_slot_t* slot) noexcept nogil:
    """Once per tick: go on with a change of networks, or begin the one that was asked for."""
    cdef int64_t address = <int64_t><uintptr_t>slot.leaving
    if slot.leaving != NULL:
        slot.swap = min(slot.swap + FADE, 1.0)
        if (slot.swap == 1.0 or slot.mix == 0.0) and kelly_ring_write(w.retired, &address, 1) == 1:
            slot.leaving = NULL
    if not slot.due or slot.leaving != NULL:
        return
    slot.due = False
    address = kelly_take(&slot.mailbox)
    if address == 0:
        return
    slot.leaving, slot.network = slot.network, <void*><uintptr_t>address
    slot.swap = 0.0
    slot.present = True
    slot.held = slot.failures = 0
    kelly_add(&w.reloads, 1)


cdef void nets_turn(worker_t* w) noexcept nogil:
    """What happens to every slot once per tick, before anybody is asked."""
    cdef net_slot_t* slot
    cdef int i
    for i in range(N_NETS):
        slot = &w.nets[i]
        net_reload(w, slot)
        if slot.held > 0:
            slot.held -= 1
        slot.mix = towards(slot.mix, 1.0 if slot.present and slot.wanted and slot.held == 0 else 0.0)


cdef int net_source(const net_slot_t* slot) noexcept nogil:
    """Who answers for a net, as the tick says it."""
    return SOURCE_OFF if not slot.wanted else SOURCE_MODEL if slot.present and slot.held == 0 else SOURCE_FALLBACK
