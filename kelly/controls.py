"""The table of controls, beneath everything: settings, records between threads and the build read it."""

from __future__ import annotations

CONTROLS = (
    ("valence", -1.0, 1.0, 0.0, "", "added to the valence that is heard or told: darker .. brighter"),
    ("arousal", -1.0, 1.0, 0.0, "", "added to the arousal: calmer .. more excited"),
    ("tension", -1.0, 1.0, 0.0, "", "added to the tension: at ease .. on edge"),
    ("intensity", 0.0, 1.0, 0.5, "", "how hard the band plays, and how full its figures are"),
    ("complexity", 0.0, 1.0, 0.5, "", "ghost notes, fills, syncopation, steps between the roots: none .. many"),
    ("density", 0.0, 1.0, 0.5, "", "notes per bar: few .. many"),
    ("dynamics", 0.0, 1.0, 0.5, "", "contrast of soft and loud: none .. twice"),
    ("humanize", 0.0, 1.0, 0.5, "", "looseness of time and force: none .. twice"),
    ("feel", -1.0, 1.0, 0.0, "", "before the beat .. behind it, 30 ms either way"),
    ("bars", 0.0, 16.0, 0.0, "bars", "length of a phrase; 0 = as heard"),
    ("bypass", 0.0, 1.0, 0.0, "switch", "from .5 on kelly listens and does not play"),
    ("blend", 0.0, 1.0, 1.0, "", "whose answers: the rules' .. the nets'; of all five together"),
    ("blend_emotion", 0.0, 1.0, 1.0, "", "the same of the recognizer, times blend"),
    ("blend_melody", 0.0, 1.0, 1.0, "", "the same of the melody: its notes, and how they are played (see blend_dynamics); times blend"),
    ("blend_harmony", 0.0, 1.0, 1.0, "", "the same of which chord is played, times blend"),
    ("blend_dynamics", 0.0, 1.0, 1.0, "", "the same of how all parts are played: timing, length, arc, balance, swell, pedal; level and stresses are the rule's at any blend"),
    ("blend_groove", 0.0, 1.0, 1.0, "", "the same of the groove, times blend"),
    ("blend_chords", 0.0, 1.0, 1.0, "", "the same of how the chords are played, times blend and blend_dynamics"),
    ("blend_bass", 0.0, 1.0, 1.0, "", "the same of how the bass is played"),
    ("blend_drums", 0.0, 1.0, 1.0, "", "the same of the drums: groove, times blend_groove too, and how they are played; the band follows its drummer"),
    ("blend_counter", 0.0, 1.0, 1.0, "", "the same of how the counter-melody is played"),
    ("blend_pad", 0.0, 1.0, 1.0, "", "the same of how the pad is played"),
)
"""What a player may turn while the music goes on: name, lowest, highest, default, unit, meaning.

The one table: flags, settings, MIDI learn, commands, hooks, ticks and docs are made from it.  Those of 0..1 around .5 leave
everything as kelly decides at .5.  Of the blends the
first is all nets', the next five are the nets' in the order of NETS; those called after a part are the part's, and the
melody, which has a net of its own, has one row for both."""
