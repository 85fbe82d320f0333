from libc.stdint cimport int32_t, int64_t

from kelly._rt._layout cimport MAX_HOOKS, N_CONTROLS, N_SLOTS, command_t, tick_t
from kelly._rt.stream.capture cimport kelly_capture, kelly_reader
from kelly._rt.stream.features cimport FeatureExtractor
from kelly._rt.stream.histogram cimport histogram_t
from kelly._rt.stream.ring cimport Ring, kelly_cell, kelly_ring
from kelly._rt.stream.rules cimport rule_state
from kelly._rt.stream.tracker cimport Tracker


cdef struct receipt_t:
    int64_t tick                    # index of the tick that first knew of the command
    command_t command


cdef struct net_slot_t:
    void* network                   # the Network that answers, borrowed; NULL where there is none
    void* leaving                   # the one it replaces, while that is still heard
    float swap                      # 0 the leaving one's answer, 1 the new one's
    int32_t due                     # a reload was asked for
    kelly_cell mailbox              # address of a Network on its way in, 0 for none
    int32_t present                 # a model was loaded
    int32_t wanted                  # it is switched on
    int32_t held                    # ticks until a net that failed is asked again
    int32_t failures                # in a row
    float mix                       # 0 the rule's answer, 1 the model's
    kelly_cell faults               # answers that were not finite


cdef struct voice_t:
    int32_t note                    # -1: no reflex voice
    int32_t channel                 # 0..15
    int64_t off_frame               # when the sounding note ends; -1 while none sounds
    int64_t serial


ctypedef void (*hook_f)(const float* features, float* embedding, float* controls) noexcept nogil


cdef struct hook_place_t:
    hook_f call
    kelly_cell on                   # 0: not called any more
    int64_t left_hop                # when it was taken out
    float controls[N_SLOTS]


cdef struct worker_t:
    kelly_capture* capture
    kelly_ring* ticks
    kelly_ring* commands
    kelly_ring* receipts
    kelly_ring* strikes             # events of the reflex voice, or NULL
    kelly_ring* retired             # addresses of networks that are not used any more
    kelly_ring* tape                # float: what was heard, for a recording, or NULL
    kelly_reader reader
    double sample_rate_hz
    net_slot_t nets[5]
    voice_t voice
    rule_state rule
    tick_t tick
    int64_t index                   # of the tick being made
    float steer                     # 0 the recognizer's embedding, 1 the one that Python pushed
    int32_t steered                 # Python drives
    int32_t lossless
    int32_t paced                   # in real time: samples come when they are due
    int32_t forgot                  # the recognizer was reset in this silence
    int32_t ending
    int32_t shedding                # 0..4, how much is left out because the worker is behind
    float steering[64]
    float felt[64]                  # the embedding before the controls move it
    float controls[N_CONTROLS]      # as commands left them
    float turned[N_CONTROLS]        # the same in this hop, with what hooks wrote
    float lowest[N_CONTROLS]
    float highest[N_CONTROLS]
    float neutral[N_CONTROLS]
    const receipt_t* script         # commands of a recording that have still to come, by tick
    int64_t script_left
    const float* path               # embeddings wanted on the way, path_rows of 64; NULL: the recognizer leads
    int32_t path_rows
    double path_bars                # length of the way
    float planned[64]
    float personal[12]              # rows valence, arousal, tension of a map of the three and 1; see adapted
    float adapted[64]               # the recognizer's answer by that map
    bint adapts
    float embedding[64]
    float ruled[128]
    float other[128]                # the answer of a network that leaves
    float context[128]
    histogram_t busy                # from the last samples of a network hop to its tick
    kelly_cell hops
    kelly_cell resets
    kelly_cell reloads
    kelly_cell shed_hops            # network hops without the recognizer
    kelly_cell shed_answers         # answers of the other nets that were held instead
    kelly_cell torn                 # the tape was full once: what it holds ends there
    kelly_cell done


cdef class Hooks:
    cdef hook_place_t places[MAX_HOOKS]
    cdef kelly_cell n               # set after the place was filled
    cdef kelly_cell faults          # answers that were not finite
    cdef list kept                  # alive: the loop calls their code
    cdef bint has_left(self, int i, int64_t hop)


cdef class Worker:
    cdef worker_t* state
    cdef FeatureExtractor extractor
    cdef Tracker tracker
    cdef Hooks hooks
    cdef Ring retired
    cdef dict lent                  # address -> Network, so that it lives as long as it is used
    cdef readonly object capture
    cdef readonly object ticks
    cdef readonly object commands
    cdef readonly object receipts
    cdef readonly object strikes
    cdef readonly object path       # kept alive: the loop holds its C pointer
    cdef readonly object tape
    cdef readonly object script     # kept alive, as the path
