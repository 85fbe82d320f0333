# cython: boundscheck=False, wraparound=False, cdivision=True
"""All five nets on a thread of their own: feature rows in through one ring, answers out through another.

[pipeline] One thread runs ``run`` without the GIL.  Nothing in the loop locks, allocates or calls
Python; where there is nothing to do, or no room for an answer, it takes one timed sleep.  An answer
that finds no room is kept until there is some, so nothing is lost and the order stays.

Python's side of both rings copies while it holds the GIL: so any number of Python threads may ask
and fetch, and each ring still has one producer and one consumer.
"""

from libc.math cimport isfinite
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from kelly._rt._contract cimport *
from kelly._rt._layout cimport SOURCE_FALLBACK, SOURCE_MODEL
from kelly._rt.net.network cimport Network
from kelly._rt.stream.ring cimport (
    Ring, kelly_add, kelly_get, kelly_ring_pop, kelly_ring_write, kelly_set, kelly_sleep_ns,
)
from kelly._rt.stream.rules cimport rule_fill, rule_for, rule_out_size, rule_reset

import numpy as np

cdef enum:
    POLL_NS = 200_000


def question_dtype():
    """NumPy dtype of a feature row on its way in."""
    return np.dtype([("source", "i4", (5,)), ("reset", "i4"), ("features", "f4", (N_FEATURES,))], align=True)


def answer_dtype():
    """NumPy dtype of the five answers on their way out."""
    return np.dtype(
        [("source", "i4", (5,)), ("embedding", "f4", (N_EMBEDDING,)),
         ("melody", "f4", (N_MELODY,)), ("harmony", "f4", (N_HARMONY,)), ("dynamics", "f4", (N_DYNAMICS,)),
         ("groove", "f4", (N_GROOVE,))],
        align=True,
    )


cdef class PipelineLoop:
    """The loop behind kelly.AsyncPipeline.

    networks   {net name: Network or None}; clones of their own
    source     int per net, in NETS order: who answered last
    melody_context (32,), harmony_context (64,), dynamics_context (28,)   what the nets are told beside the mood
    capacity   questions, and answers, that may wait; rounded up to a power of two
    raises     ValueError for a capacity below 1 or another shape, MemoryError
    thread     [main] constructs; ``run`` belongs to one thread of its own
    """

    def __cinit__(self, networks, source, const float[::1] melody_context, const float[::1] harmony_context,
                  const float[::1] dynamics_context, Py_ssize_t capacity):
        cdef Ring questions = Ring(question_dtype(), capacity), answers = Ring(answer_dtype(), capacity)
        cdef int i
        if questions.dtype.itemsize != sizeof(question_t) or answers.dtype.itemsize != sizeof(answer_t):
            raise ValueError("the records of Python and C differ")
        if (melody_context.shape[0], harmony_context.shape[0], dynamics_context.shape[0]) != (
                N_MELODY_IN - N_MOOD, N_HARMONY_IN - N_EMBEDDING, N_DYNAMICS_IN - 4):
            raise ValueError("the contexts must have 32, 64 and 28 numbers")
        self.state = <pipeline_t*>calloc(1, sizeof(pipeline_t))
        if self.state == NULL:
            raise MemoryError("no memory for the pipeline")
        self.questions, self.answers = questions, answers
        self.state.questions, self.state.answers = questions.ring, answers.ring
        self.emotionrecognizer = networks.get("emotionrecognizer")
        self.melodytransformer = networks.get("melodytransformer")
        self.harmonypredictor = networks.get("harmonypredictor")
        self.dynamicsengine = networks.get("dynamicsengine")
        self.groovepredictor = networks.get("groovepredictor")
        for i in range(N_NETS):
            self.state.source[i] = source[i]
        memcpy(self.state.melody_context, &melody_context[0], sizeof(self.state.melody_context))
        memcpy(self.state.harmony_context, &harmony_context[0], sizeof(self.state.harmony_context))
        memcpy(self.state.dynamics_context, &dynamics_context[0], sizeof(self.state.dynamics_context))
        rule_reset(&self.state.rule)

    def __dealloc__(self):
        free(self.state)

    def submit(self, const unsigned char[::1] question not None):
        """Hand in the bytes of one question; False where there is no room.  [any Python thread], never blocks"""
        if question.shape[0] != sizeof(question_t):
            raise ValueError(f"expected {sizeof(question_t)} bytes, found {question.shape[0]}")
        return kelly_ring_write(self.state.questions, &question[0], 1) == 1

    def fetch(self, unsigned char[::1] answer not None):
        """Take the oldest answer; False where there is none.  [any Python thread], never blocks"""
        if answer.shape[0] != sizeof(answer_t):
            raise ValueError(f"expected {sizeof(answer_t)} bytes, found {answer.shape[0]}")
        return kelly_ring_pop(self.state.answers, &answer[0], 1) == 1

    def wait(self, double timeout_s):
        """True as soon as an answer waits, False after ``timeout_s``; sleeps without the GIL.  [any Python thread]"""
        return self.answers.wait(timeout_s, POLL_NS * 1e-9)

    def run(self):
        """Answer until ``stop``.  [pipeline]"""
        with nogil:
            self._loop()

    def stop(self):
        """Ask the loop to return; what waits is not answered any more.  [any]"""
        kelly_set(&self.state.stop, 1)

    @property
    def done(self):
        """True after ``run`` has returned."""
        return kelly_get(&self.state.done) != 0

    @property
    def faults(self):
        """Answers that were not finite; each was replaced by the rule's."""
        return kelly_get(&self.state.faults)

    cdef void _loop(self) noexcept nogil:
        cdef pipeline_t* p = self.state
        while not kelly_get(&p.stop):
            if kelly_ring_pop(p.questions, &p.question, 1) != 1:
                kelly_sleep_ns(POLL_NS)
                continue
            self._answer()
            while kelly_ring_write(p.answers, &p.answer, 1) != 1 and not kelly_get(&p.stop):
                kelly_sleep_ns(POLL_NS)
        kelly_set(&p.done, 1)

    cdef void _answer(self) noexcept nogil:
        """Ask all five nets, each in the context that MultiModelProcessor.run_full_pipeline gives it."""
        cdef pipeline_t* p = self.state
        cdef answer_t* a = &p.answer
        cdef int net
        for net in range(N_NETS):
            if p.question.source[net] != p.source[net] or p.question.reset:
                self._clear(net)
            a.source[net] = p.source[net] = p.question.source[net]
        self._ask(NET_EMOTIONRECOGNIZER, p.question.features, a.embedding)
        memcpy(p.x, a.embedding, N_MOOD * sizeof(float))
        memcpy(p.x + N_MOOD, p.melody_context, sizeof(p.melody_context))
        self._ask(NET_MELODYTRANSFORMER, p.x, a.melody)
        memcpy(p.x, a.embedding, sizeof(a.embedding))
        memcpy(p.x + N_EMBEDDING, p.harmony_context, sizeof(p.harmony_context))
        self._ask(NET_HARMONYPREDICTOR, p.x, a.harmony)
        p.x[0], p.x[1] = a.embedding[EMBEDDING_VALENCE], a.embedding[EMBEDDING_AROUSAL]
        p.x[2], p.x[3] = a.embedding[EMBEDDING_TENSION], a.embedding[EMBEDDING_INTENSITY]
        memcpy(p.x + 4, p.dynamics_context, sizeof(p.dynamics_context))
        self._ask(NET_DYNAMICSENGINE, p.x, a.dynamics)
        self._ask(NET_GROOVEPREDICTOR, a.embedding, a.groove)

    cdef void _ask(self, int net, const float* x, float* y) noexcept nogil:
        """The model's answer, or the rule's where it is off, missing or not finite."""
        cdef pipeline_t* p = self.state
        cdef int i
        if p.question.source[net] == SOURCE_MODEL:
            self._step(net, x, y)
            for i in range(rule_out_size(net)):
                if not isfinite(y[i]):
                    break
            else:
                rule_fill(net, x, y)
                return
            self._clear(net)
            p.answer.source[net] = SOURCE_FALLBACK
            kelly_add(&p.faults, 1)
        rule_for(net, x, y, &p.rule)

    cdef void _step(self, int net, const float* x, float* y) noexcept nogil:
        if net == NET_EMOTIONRECOGNIZER:
            self.emotionrecognizer.step(x, y)
        elif net == NET_MELODYTRANSFORMER:
            self.melodytransformer.step(x, y)
        elif net == NET_HARMONYPREDICTOR:
            self.harmonypredictor.step(x, y)
        elif net == NET_DYNAMICSENGINE:
            self.dynamicsengine.step(x, y)
        else:
            self.groovepredictor.step(x, y)

    cdef void _clear(self, int net) noexcept nogil:
        """Model and rule of a net as new."""
        if net == NET_EMOTIONRECOGNIZER:
            rule_reset(&self.state.rule)
            if self.emotionrecognizer is not None:
                self.emotionrecognizer.clear()
        elif net == NET_MELODYTRANSFORMER and self.melodytransformer is not None:
            self.melodytransformer.clear()
        elif net == NET_HARMONYPREDICTOR and self.harmonypredictor is not None:
            self.harmonypredictor.clear()
        elif net == NET_DYNAMICSENGINE and self.dynamicsengine is not None:
            self.dynamicsengine.clear()
        elif net == NET_GROOVEPREDICTOR and self.groovepredictor is not None:
            self.groovepredictor.clear()
