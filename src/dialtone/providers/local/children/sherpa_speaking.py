"""Speaks text with a sherpa-onnx Piper voice, in a process of its own.

Arguments: the model's folder, and espeak-ng's name for its language. Since version 2 sherpa-onnx wants phonemes, not
text, for Piper voices (https://github.com/k2-fsa/sherpa-onnx, `test-offline-tts-piper-phonemize.py`).

The frames are those of `children.espeak`; `voice` is the number of a speaker. sherpa-onnx reports progress in shares of
the text and no words, so that `characters` is an estimate by time.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dialtone.providers.local.children.espeak_library import Phonemiser
from dialtone.providers.local.children.pipe import Pipe
from dialtone.providers.local.children.sherpa_hearing import one_file

SLICE_SECONDS = 0.1


def make_synthesiser(folder: Path) -> Any:
    import sherpa_onnx

    config = sherpa_onnx.OfflineTtsConfig(
        model=sherpa_onnx.OfflineTtsModelConfig(
            vits=sherpa_onnx.OfflineTtsVitsModelConfig(
                model=one_file(folder, "*.onnx"),
                tokens=one_file(folder, "tokens.txt"),
            ),
            num_threads=1,
        ),
        max_num_sentences=1,
    )
    if not hasattr(sherpa_onnx.GenerationConfig(), "phoneme_codepoints"):
        raise OSError("version 2.0 or later is needed: pip install 'dialtone[sherpa]'")
    if not config.validate():
        raise OSError(f"the voice in {folder} is damaged; pull it again")
    return sherpa_onnx.OfflineTts(config)


def make_generation(phonemiser: Phonemiser, text: str, speaker: int, speed: float) -> Any | None:
    """sherpa-onnx's request for `text`; None where it has no sound."""
    import sherpa_onnx

    sentences = phonemiser.sentences(text)
    if not sentences:
        return None
    generation = sherpa_onnx.GenerationConfig()
    generation.sid = speaker
    generation.speed = speed
    generation.phoneme_codepoints = [[ord(phoneme) for phoneme in sentence] for sentence in sentences]
    return generation


class Speaker:
    """Answers the requests of all channels, one after the other."""

    def __init__(self, pipe: Pipe, synthesiser: Any, generation: Callable[[str, int, float], Any]) -> None:
        self._pipe = pipe
        self._generation = generation
        self._synthesiser = synthesiser
        self._speakers = max(1, synthesiser.num_speakers)
        self._rate: int = synthesiser.sample_rate

    def answer(self, channel: int, request: dict[str, Any]) -> None:
        speaker = request["voice"]
        if not 0 <= speaker < self._speakers:
            words = f"the voice has speakers 0 to {self._speakers - 1} (got {speaker})"
            self._pipe.send(channel, type="error", message=words, permanent=True)
            return
        if request["type"] == "speak" and not self._pipe.is_cancelled(channel):
            self._speak(channel, request["text"], speaker, request["speed"])
        self._pipe.send(channel, type="done")

    def _speak(self, channel: int, text: str, speaker: int, speed: float) -> None:
        reached = 0.0

        def on_samples(samples: Any, progress: float) -> int:
            nonlocal reached
            self._send(channel, np.asarray(samples), reached, progress * len(text))
            reached = progress * len(text)
            return 0 if self._pipe.is_cancelled(channel) else 1

        generation = self._generation(text, speaker, speed)
        if generation is not None:
            self._synthesiser.generate("", generation, callback=on_samples)

    def _send(self, channel: int, samples: Any, begin: float, end: float) -> None:
        """Send one sentence in slices, its characters spread evenly over them."""
        encoded = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        step = int(self._rate * SLICE_SECONDS) * 2
        for offset in range(0, len(encoded), step):
            if self._pipe.is_cancelled(channel):
                return
            share = min(1.0, (offset + step) / len(encoded))
            self._pipe.send(channel, type="at", characters=begin + share * (end - begin), sample_rate=self._rate)
            self._pipe.send_audio(channel, encoded[offset : offset + step])


def main() -> None:
    pipe = Pipe()
    try:
        phonemiser = Phonemiser(sys.argv[2])
        speaker = Speaker(pipe, make_synthesiser(Path(sys.argv[1])), partial(make_generation, phonemiser))
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        pipe.send(0, type="error", message=f"sherpa-onnx could not start: {error}", permanent=True)
        return
    pipe.send(0, type="ready")
    while True:
        channel, request = pipe.next_request()
        if isinstance(request, dict) and request["type"] != "cancel":
            speaker.answer(channel, request)


if __name__ == "__main__":
    main()
