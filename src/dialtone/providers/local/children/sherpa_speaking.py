"""Speaks text with a sherpa-onnx Piper voice, in a process of its own. Argument: the model's folder.

The frames are those of `children.espeak`; `voice` is the number of a speaker. sherpa-onnx reports progress in shares of
the text and no words, so that `characters` is an estimate by time.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

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
                data_dir=str(folder / "espeak-ng-data"),
            ),
            num_threads=1,
        ),
        max_num_sentences=1,
    )
    if not config.validate():
        raise OSError(f"the voice in {folder} is damaged; pull it again")
    return sherpa_onnx.OfflineTts(config)


class Speaker:
    """Answers the requests of all channels, one after the other."""

    def __init__(self, pipe: Pipe, synthesiser: Any) -> None:
        self._pipe = pipe
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

        self._synthesiser.generate(text, sid=speaker, speed=speed, callback=on_samples)

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
        speaker = Speaker(pipe, make_synthesiser(Path(sys.argv[1])))
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
