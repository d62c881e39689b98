"""Speaks text with espeak-ng's shared library, in a process of its own.

espeak-ng is GPL-3-or-later; the server never loads it. Requests and replies are the plain frames of `pipe`.
`{"type": "speak", "text", "voice", "speed"}` is answered by audio, before each frame of it
`{"type": "at", "characters", "sample_rate"}` (how far into the text that frame reaches), and at last
`{"type": "done"}`; `{"type": "check", "voice"}` by `done`. Either may be answered by
`{"type": "error", "message", "permanent"}`. `{"type": "cancel"}` stops the channel's work.

The C interface is described in espeak-ng's `speak_lib.h`.
"""

import ctypes
from typing import Any

from dialtone.providers.local.children.espeak_library import TEXT_IS_UTF8, start_library
from dialtone.providers.local.children.pipe import Pipe

CHUNK_MILLISECONDS = 60
POSITION_BY_CHARACTER = 1
PARAMETER_RATE = 1
WORDS_PER_MINUTE = 165
EVENT_LIST_END = 0
EVENT_WORD = 1


class Event(ctypes.Structure):
    """`espeak_EVENT`."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


SynthesisCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Espeak:
    """The one synthesiser of this process."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._library, self.sample_rate = start_library(CHUNK_MILLISECONDS)
        self._callback = SynthesisCallback(self._on_audio)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice: str | None = None
        self._channel = 0
        self._reached = 0

    def select_voice(self, voice: str) -> str | None:
        """Use `voice` from now on. Returns what is wrong with it, in words."""
        if voice == self._voice:
            return None
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            self._voice = None
            return f"espeak-ng has no voice {voice!r}; try a language code such as en-us, en-gb, nl, de or fr"
        self._voice = voice
        return None

    def speak(self, channel: int, text: str, speed: float) -> None:
        self._channel = channel
        self._reached = 0
        self._library.espeak_SetParameter(PARAMETER_RATE, round(WORDS_PER_MINUTE * speed), 0)
        encoded = text.encode() + b"\0"
        self._library.espeak_Synth(encoded, len(encoded), 0, POSITION_BY_CHARACTER, 0, TEXT_IS_UTF8, None, None)

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        if self._pipe.is_cancelled(self._channel):
            return 1
        index = 0
        while events[index].type != EVENT_LIST_END:
            if events[index].type == EVENT_WORD:
                self._reached = events[index].text_position - 1 + events[index].length
            index += 1
        if samples and count > 0:
            self._pipe.send(self._channel, type="at", characters=self._reached, sample_rate=self.sample_rate)
            self._pipe.send_audio(self._channel, ctypes.string_at(samples, count * 2))
        return 0


def answer(espeak: Espeak, pipe: Pipe, channel: int, request: dict[str, Any]) -> None:
    problem = espeak.select_voice(request["voice"])
    if problem is not None:
        pipe.send(channel, type="error", message=problem, permanent=True)
        return
    if request["type"] == "speak" and not pipe.is_cancelled(channel):
        espeak.speak(channel, request["text"], request["speed"])
    pipe.send(channel, type="done")


def main() -> None:
    pipe = Pipe()
    try:
        espeak = Espeak(pipe)
    except OSError as error:
        pipe.send(0, type="error", message=str(error), permanent=True)
        return
    pipe.send(0, type="ready", sample_rate=espeak.sample_rate)
    while True:
        channel, request = pipe.next_request()
        if isinstance(request, dict) and request["type"] != "cancel":
            answer(espeak, pipe, channel, request)


if __name__ == "__main__":
    main()
