"""What a musician's feet, keys and sequencer tell kelly: messages in, actions out.

A pure state machine: no port, no thread, no clock of its own.  Two visible tables say what can be
done and what does it by default; learning binds another controller to an action.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kelly.config import DEFAULT_CHANNELS, did_you_mean
from kelly.controls import CONTROLS
from kelly.errors import ConfigError
from kelly.midi.clock import ClockFollower, TapTempo
from kelly.midi.messages import BY_NAME
from kelly.midi.parser import Parser

MOMENT, TOGGLE, TRIGGER, VALUE = "moment", "toggle", "trigger", "value"

ACTIONS: Mapping[str, tuple[str, str]] = {
    "tap": (TRIGGER, "a beat, now: the tempo of the last taps"),
    "hold_chord": (MOMENT, "the chord stays as long as the pedal is down"),
    "freeze": (TOGGLE, "the mood stays as it is, until the next press"),
    "end": (TRIGGER, "finish the phrase and end"),
    **{f"{part}_out": (TOGGLE, f"no {part}, until the next press") for part in DEFAULT_CHANNELS},
    **{f"lock_{part}": (TOGGLE, f"{part}: the newest phrase again and again, until the next press") for part in DEFAULT_CHANNELS},
    **{f"reroll_{part}": (TRIGGER, f"{part}: drawn anew") for part in DEFAULT_CHANNELS},
    "half_tempo": (TRIGGER, "half the tempo that kelly counts, from the next beat on"),
    "double_tempo": (TRIGGER, "twice the tempo"),
    "panic": (TRIGGER, "every note off, now"),
    **{name: (VALUE, meaning) for name, _, _, _, _, meaning in CONTROLS},
}
"""Action -> how a control drives it, and what it does."""


@dataclass(frozen=True, slots=True)
class Control:
    """A controller or a key on the player's gear.

    kind     "control_change" or "note"
    number   0..127
    channel  1..16, None for any
    """

    kind: str
    number: int
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("control_change", "note") or not 0 <= self.number <= 127:
            raise ValueError(f"no control is {self.kind} {self.number}: expected control_change or note, 0..127")
        if self.channel is not None and not 1 <= self.channel <= 16:
            raise ValueError(f"MIDI channel {self.channel}: expected 1..16")

    @classmethod
    def read(cls, text: str) -> Control:
        """"CC 64", "note 36", "CC 64 on channel 2": what ``str`` gives, in any case; ValueError for anything else."""
        found = re.fullmatch(r"\s*(cc|note)\s*(\d{1,3})(?:\s+on\s+channel\s+(\d{1,2}))?\s*", text, re.IGNORECASE)
        if found is None:
            raise ValueError(f"expected 'CC N', 'note N' or 'CC N on channel N', found {text!r}")
        kind = "control_change" if found[1].lower() == "cc" else "note"
        return cls(kind, int(found[2]), int(found[3]) if found[3] else None)

    def __str__(self) -> str:
        where = "" if self.channel is None else f" on channel {self.channel}"
        return f"{'CC' if self.kind == 'control_change' else 'note'} {self.number}{where}"


DEFAULTS: Mapping[str, Control] = {
    "hold_chord": Control("control_change", 64),  # sustain
    "freeze": Control("control_change", 66),  # sostenuto
    "tap": Control("control_change", 67),  # soft
    "end": Control("control_change", 80),  # general purpose 5 to 7
    "drums_out": Control("control_change", 81),
    "half_tempo": Control("control_change", 82),
    "double_tempo": Control("control_change", 83),  # general purpose 8
    "valence": Control("control_change", 16),  # general purpose 1 and 2
    "arousal": Control("control_change", 17),
    "intensity": Control("control_change", 18),  # general purpose 3 and 4
    "density": Control("control_change", 19),
}


def bindings(chosen: Mapping[str, str]) -> dict[str, Control]:
    """DEFAULTS with the actions that were chosen, as text, in their place; a control that was taken leaves its other action; one that is
    chosen for several does them all.

    raises  ConfigError
    """
    bound = dict(DEFAULTS)
    for action, text in chosen.items():
        if action not in ACTIONS:
            raise ConfigError(f"no action is called {action!r}; there are: {', '.join(ACTIONS)}{did_you_mean(action, ACTIONS)}")
        try:
            control = Control.read(text)
        except ValueError as error:
            raise ConfigError(f"{action}: {error}") from None
        for other in [name for name, before in bound.items() if before == control and name not in chosen]:
            del bound[other]
        bound[action] = control
    return bound


PANICS = (120, 123)  # all sound off, all notes off: always a panic, whatever is bound


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do.

    name    of ACTIONS, or "tempo" (value: bpm), "start", "continue", "stop", "no_clock", "learned"
    value   1.0 pressed or on, 0.0 released or off; 0..127 for a control; beats per minute for "tempo"
    time_s  of the message that caused it
    text    what was learned
    learned the action and its control, such as ("freeze", "CC 21"); taken from these other actions
    """

    name: str
    value: float = 1.0
    time_s: float = 0.0
    text: str = ""
    learned: tuple[str, str] = ("", "")
    losers: tuple[str, ...] = ()


class Controls:
    """From messages to actions.

    bound  action -> control; DEFAULTS where None

    A press is a value of 64 or more, so half-pedals and knobs work as switches; a switch acts once
    until it is released.  The tempo is told when it has moved by more than TEMPO_STEP.
    thread  [input]
    """

    TEMPO_STEP = 0.1  # bpm
    TRAVEL = 24  # how far a knob must move before it is learned; a stray value is not a wish

    def __init__(self, bound: Mapping[str, Control] | None = None) -> None:
        self.bound = dict(DEFAULTS if bound is None else bound)
        unknown = [name for name in self.bound if name not in ACTIONS]
        if unknown:
            raise ValueError(f"no action is called {unknown[0]!r}; there are: {', '.join(ACTIONS)}")
        self.clock, self.taps, self.parser = ClockFollower(), TapTempo(), Parser()
        self.learning: str | None = None
        self._down: dict[str, bool] = {}
        self._on: dict[str, bool] = {}
        self._tempo_told = 0.0
        self._resting: dict[Control, int] = {}  # while learning: where each knob was first seen

    def feed(self, data: Iterable[int], time_s: float) -> list[Action]:
        """Bytes as they came from the input, and when; returns what they ask for, in order."""
        actions: list[Action] = []
        for message in self.parser.feed(data):
            actions += self._take(message, time_s)
        return actions

    def idle(self, time_s: float) -> list[Action]:
        """Nothing came for a while; the clock may have gone."""
        had = self.clock.tempo_bpm is not None
        self.clock.check(time_s)
        if had and self.clock.tempo_bpm is None:
            self._tempo_told = 0.0
            return [Action("no_clock", 0.0, time_s)]
        return []

    def release(self, time_s: float) -> list[Action]:
        """Nobody is there to let go of what is held: every pedal comes up."""
        held = [name for name, down in self._down.items() if down and ACTIONS[name][0] == MOMENT]
        self._down.clear()
        return [Action(name, 0.0, time_s) for name in held]

    def learn(self, action: str | None) -> None:
        """The next control that is clearly used becomes this action's; None gives up.

        raises  ValueError, naming the actions
        """
        if action is not None and action not in ACTIONS:
            raise ValueError(f"no action is called {action!r}; there are: {', '.join(ACTIONS)}")
        self.learning = action
        self._resting.clear()

    def _take(self, message: tuple[int, ...], time_s: float) -> list[Action]:
        status = message[0]
        if status >= BY_NAME["sysex"].status:
            return self._system(message, time_s)
        kind, channel = status & 0xF0, (status & 0x0F) + 1
        if kind == BY_NAME["control_change"].status:
            number, value = message[1], message[2]
            if number in PANICS:
                return [Action("panic", 1.0, time_s)]
            return self._used(Control("control_change", number, channel), value, time_s)
        if kind in (BY_NAME["note_on"].status, BY_NAME["note_off"].status):
            pressed = kind == BY_NAME["note_on"].status and message[2] > 0
            return self._used(Control("note", message[1], channel), 127 if pressed else 0, time_s)
        return []

    def _system(self, message: tuple[int, ...], time_s: float) -> list[Action]:
        status = message[0]
        if status == BY_NAME["clock"].status:
            self.clock.pulse(time_s)
            return self._tempo(time_s)
        if status == BY_NAME["songpos"].status:
            self.clock.seek(message[1] | message[2] << 7)
        elif status == BY_NAME["start"].status:
            self.clock.start()
            return [Action("start", 1.0, time_s)]
        elif status == BY_NAME["continue"].status:
            self.clock.resume()
            return [Action("continue", 1.0, time_s)]
        elif status == BY_NAME["stop"].status:
            self.clock.stop()
            return [Action("stop", 1.0, time_s)]
        elif status == BY_NAME["reset"].status:
            return [Action("panic", 1.0, time_s)]
        return []

    def _tempo(self, time_s: float) -> list[Action]:
        tempo = self.clock.tempo_bpm
        if tempo is None or abs(tempo - self._tempo_told) <= self.TEMPO_STEP:
            return []
        self._tempo_told = tempo
        return [Action("tempo", tempo, time_s)]

    def _used(self, control: Control, value: int, time_s: float) -> list[Action]:
        if self.learning is not None:
            return self._learned(control, value, time_s)
        actions: list[Action] = []
        for name, bound in self.bound.items():
            if (bound.kind, bound.number) == (control.kind, control.number) and bound.channel in (None, control.channel):
                actions += self._drive(name, value, time_s)
        return actions

    def _drive(self, name: str, value: int, time_s: float) -> list[Action]:
        how = ACTIONS[name][0]
        if how == VALUE:
            return [Action(name, value, time_s)]
        down, was = value >= 64, self._down.get(name, False)
        self._down[name] = down
        if down == was:
            return []
        if how == MOMENT:
            return [Action(name, float(down), time_s)]
        if not down:
            return []
        if how == TOGGLE:
            self._on[name] = not self._on.get(name, False)
            return [Action(name, float(self._on[name]), time_s)]
        if name == "tap":
            tempo = self.taps.tap(time_s)
            return [Action("tap", 1.0, time_s)] + ([Action("tempo", tempo, time_s)] if tempo is not None else [])
        return [Action(name, 1.0, time_s)]

    def _learned(self, control: Control, value: int, time_s: float) -> list[Action]:
        """A key that is struck, or a controller that travels; learned for any channel."""
        if control.kind == "note":
            if value == 0:
                return []
        else:
            first = self._resting.setdefault(control, value)
            switch = len(self._resting) == 1 and value in (0, 127) and first == value
            if abs(value - first) < self.TRAVEL and not (switch and value == 127):
                return []
        assert self.learning is not None
        action, self.learning = self.learning, None
        free = Control(control.kind, control.number)
        losers = [name for name, bound in self.bound.items() if (bound.kind, bound.number) == (free.kind, free.number) and name != action]
        for name in losers:
            del self.bound[name]
        self.bound[action] = free
        self._down[action] = value >= 64  # this very press has done its work
        taken = f", taken from {' and '.join(losers)}" if losers else ""
        return [Action("learned", 1.0, time_s, f"{free} is now {action}{taken}", (action, str(free)), tuple(losers))]
