"""MIDI messages, files and ports."""
