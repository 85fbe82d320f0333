/* The audio side of stage.py: plays a recording and notes down the MIDI that comes, frame by frame.
 *
 * Why C: a process callback in Python waits for the GIL, and under load the whole JACK graph waits with
 * it; what kelly is measured with may not be what is late.
 *
 * Places in the recording, and the frames of messages, are those of the server (jack_last_frame_time)
 * since the first frame played: a cycle that this client missed is a hole in the sound, not a shift.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MESSAGES 65536

typedef struct midi_event { /* JACK's jack_midi_event_t */
    uint32_t time;
    size_t size;
    unsigned char *buffer;
} midi_event;

extern void *jack_port_get_buffer(void *port, uint32_t frames);
extern uint32_t jack_last_frame_time(const void *client);
extern uint32_t jack_midi_get_event_count(void *buffer);
extern int jack_midi_event_get(midi_event *event, void *buffer, uint32_t index);

typedef struct heard {
    int64_t frame;
    uint8_t size, bytes[7];
} heard;

typedef struct stage {
    void *client, *out, *in;
    const float *sound;
    int64_t length;
    int32_t loop, playing; /* playing: set from outside once somebody listens */
    int32_t began;
    uint32_t first;        /* the server's frame of the first cycle played */
    int64_t n;             /* messages noted down */
    heard messages[MESSAGES];
} stage;

size_t stage_size(void) { return sizeof(stage); }

int stage_process(uint32_t frames, void *user) {
    stage *s = (stage *)user;
    float *out = (float *)jack_port_get_buffer(s->out, frames);
    void *in = jack_port_get_buffer(s->in, frames);
    uint32_t now = jack_last_frame_time(s->client);
    if (!s->began && __atomic_load_n(&s->playing, __ATOMIC_ACQUIRE)) {
        s->began = 1;
        s->first = now;
    }
    int64_t place = s->began ? (int64_t)(uint32_t)(now - s->first) : 0;
    for (uint32_t i = 0, n = jack_midi_get_event_count(in); i < n && s->n < MESSAGES; i++) {
        midi_event event;
        if (jack_midi_event_get(&event, in, i) != 0 || event.size > sizeof s->messages->bytes) continue;
        heard *m = &s->messages[s->n];
        m->frame = place + event.time;
        m->size = (uint8_t)event.size;
        memcpy(m->bytes, event.buffer, event.size);
        __atomic_store_n(&s->n, s->n + 1, __ATOMIC_RELEASE);
    }
    for (uint32_t i = 0; i < frames; i++) {
        int64_t at = s->loop ? (place + i) % s->length : place + i;
        out[i] = s->began && at < s->length ? s->sound[at] : 0.0f;
    }
    return 0;
}
