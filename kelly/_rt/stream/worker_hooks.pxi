# Hooks: compiled functions of the user's, called each network hop, after tracking and before the nets are asked.
#
# [worker] calls them; one Python thread at a time puts them in and takes them out, also while the loop runs.

cdef class Hooks:
    """MAX_HOOKS places for functions; the code of each is kept alive with the place."""

    def __cinit__(self):
        self.kept = []

    def add(self, hook, int64_t hop):
        """Call it from the next network hop on.

        hook    anything with ``address``, of a C function (const float features[128], float embedding[64],
                float controls[N_SLOTS]) that neither blocks nor raises
        hop     how many network hops are over
        raises  ValueError without an address, or when every place is taken
        thread  [one Python thread at a time]
        """
        cdef int n = <int>kelly_get(&self.n)
        cdef int place = n, i
        cdef uintptr_t address = hook.address
        if address == 0:
            raise ValueError("the hook has no address")
        if n == MAX_HOOKS:  # one that was taken out gives its place, once nothing can be running in it
            for i in range(n - 1, -1, -1):
                if not kelly_get(&self.places[i].on) and self.has_left(i, hop):
                    place = i
        if place == MAX_HOOKS:
            raise ValueError(f"a session takes {MAX_HOOKS} hooks")
        if place == n:
            self.kept.append(hook)
        else:
            self.kept[place] = hook
        memset(self.places[place].controls, 0, sizeof(self.places[place].controls))
        self.places[place].call = <hook_f>address
        kelly_set(&self.places[place].on, 1)
        if place == n:
            kelly_set(&self.n, n + 1)

    def remove(self, hook, int64_t hop):
        """Call it no more from the next network hop on; its code stays alive until its place is given away.

        raises  ValueError where it does not take part
        thread  [one Python thread at a time]
        """
        cdef int i
        for i in range(<int>kelly_get(&self.n)):
            if self.kept[i] is hook and kelly_get(&self.places[i].on):
                kelly_set(&self.places[i].on, 0)
                self.places[i].left_hop = hop
                return
        raise ValueError("the hook does not take part")

    cdef bint has_left(self, int i, int64_t hop):
        """Whether no call can be going on in a place that was taken out: two hops later, or before the first."""
        return hop == 0 or hop >= self.places[i].left_hop + 2


cdef void show(worker_t* w, float* c) noexcept nogil:
    """What was heard, and the controls as they stand, into a hook's slots."""
    cdef const tick_t* t = &w.tick
    c[SLOT_TIME_S] = <float>(t.frame / w.sample_rate_hz)
    c[SLOT_BEAT] = 0.0
    if t.beat_frames > 0.0 and t.beat_count >= 0:
        c[SLOT_BEAT] = <float>(t.beat_count + (t.frame - t.beat_frame) / t.beat_frames)
    c[SLOT_TEMPO_BPM], c[SLOT_LEVEL_DB], c[SLOT_ONSET] = t.tempo_bpm, t.level_db, t.onset
    c[SLOT_BEAT_IN_BAR], c[SLOT_CHORD_ROOT], c[SLOT_CHORD_QUALITY] = t.beat_in_bar, t.chord_root, t.chord_quality
    c[SLOT_PLAYING], c[SLOT_KEY_TONIC], c[SLOT_KEY_MODE] = t.playing, t.key_tonic, t.key_mode
    memcpy(&c[SLOT_CHROMA_0], t.chroma, sizeof(t.chroma))
    memcpy(&c[SLOTS_CONTROLS], w.turned, sizeof(w.turned))


cdef void take_over(worker_t* w, Tracker tracker, const float* c) noexcept nogil:
    """What a hook left in its slots and in the embedding, as far as it may decide it."""
    cdef tick_t* t = &w.tick
    cdef int k, tonic, mode
    for k in range(N_EMBEDDING):
        t.embedding[k] = min(max(t.embedding[k], <float>-1.0), <float>1.0)
    for k in range(N_CONTROLS):
        if isfinite(c[SLOTS_CONTROLS + k]):
            w.turned[k] = min(max(c[SLOTS_CONTROLS + k], w.lowest[k]), w.highest[k])
    if c[SLOT_PLAYING] == 0.0:
        t.playing = 0
    if -1.0 <= c[SLOT_KEY_TONIC] <= 11.0 and -1.0 <= c[SLOT_KEY_MODE] <= 1.0:
        tonic, mode = <int>c[SLOT_KEY_TONIC], <int>c[SLOT_KEY_MODE]
        if (tonic != t.key_tonic or mode != t.key_mode) and tonic >= 0 and mode != 0:
            t.key_tonic = tracker.key.tonic = tonic
            t.key_mode = tracker.key.mode = mode


cdef void call_hooks(worker_t* w, Hooks hooks, const float* features, Tracker tracker) noexcept nogil:
    """Each in the order in which it was added; it sees what the one before left, and what is not finite counts as no answer."""
    cdef tick_t* t = &w.tick
    cdef float* c
    cdef float kept[64]
    cdef int i
    for i in range(<int>kelly_get(&hooks.n)):
        if not kelly_get(&hooks.places[i].on):
            continue
        c = hooks.places[i].controls
        show(w, c)
        memcpy(kept, t.embedding, sizeof(kept))
        hooks.places[i].call(features, t.embedding, c)
        if finite(t.embedding, N_EMBEDDING) and isfinite(c[SLOT_KEY_TONIC]) and isfinite(c[SLOT_KEY_MODE]):
            take_over(w, tracker, c)
        else:
            memcpy(t.embedding, kept, sizeof(kept))
            kelly_add(&hooks.faults, 1)
