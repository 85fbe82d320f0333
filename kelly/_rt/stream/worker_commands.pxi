# Commands: what Python asked for, carried out at a tick and receipted with its index.  [worker]
#
# They come by a ring, or from the script of a recording at the ticks where they were carried out then.

cdef void carry_out(worker_t* w, Tracker tracker, const command_t* c) noexcept nogil:
    """One command, and its receipt; what makes no sense does nothing and is receipted too."""
    cdef receipt_t receipt
    cdef bint a_net = 0 <= c.index < N_NETS
    if c.kind == COMMAND_ENABLE and a_net:
        if not w.nets[c.index].wanted:
            net_clear(w, c.index)
        w.nets[c.index].wanted = True
        w.nets[c.index].held = w.nets[c.index].failures = 0
    elif c.kind == COMMAND_DISABLE and a_net:
        w.nets[c.index].wanted = False
    elif c.kind == COMMAND_RESET:
        forget(w)
        net_clear(w, NET_HARMONYPREDICTOR)
        net_clear(w, NET_GROOVEPREDICTOR)
    elif c.kind == COMMAND_EMBEDDING and finite(c.vector, N_EMBEDDING):
        memcpy(w.steering, c.vector, sizeof(w.steering))
        w.steered = True
    elif c.kind == COMMAND_RELEASE_EMBEDDING or (c.kind == COMMAND_FREEZE and c.value == 0.0):
        w.steered = False
    elif c.kind == COMMAND_FREEZE:
        memcpy(w.steering, w.felt, sizeof(w.steering))
        w.steered = True
    elif c.kind == COMMAND_CONTROL and 0 <= c.index < N_CONTROLS and isfinite(c.value):
        w.controls[c.index] = min(max(<float>c.value, w.lowest[c.index]), w.highest[c.index])
    elif c.kind == COMMAND_RELOAD and a_net:
        w.nets[c.index].due = True
        if w.nets[c.index].network == NULL and kelly_get(&w.nets[c.index].mailbox) == 0:
            w.nets[c.index].present = True                  # one of the conductor's
    elif c.kind == COMMAND_CLOCK:
        tracker.lead(c.value, c.frame, c.index)
    elif c.kind == COMMAND_NO_CLOCK:
        tracker.unlead()
    elif c.kind == COMMAND_TAP and c.frame >= 0:
        tracker.tap(c.value, c.frame)
    elif c.kind == COMMAND_LEVEL:
        tracker.relevel(c.value)
    elif c.kind == COMMAND_HOLD_CHORD:
        tracker.chord_held = c.value != 0.0
    memset(&receipt, 0, sizeof(receipt))
    receipt.tick, receipt.command = w.index, c[0]
    kelly_ring_push(w.receipts, &receipt, 1)


cdef void obey(worker_t* w, Tracker tracker) noexcept nogil:
    """Carry out what was asked for; the tick being made is the first that knows."""
    cdef command_t c
    while w.script_left > 0 and w.script.tick <= w.index:
        carry_out(w, tracker, &w.script.command)
        w.script += 1
        w.script_left -= 1
    while kelly_ring_pop(w.commands, &c, 1) == 1:
        carry_out(w, tracker, &c)
