"""Recognises speech with a sherpa-onnx streaming transducer, in a process of its own. Argument: the model's folder."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dialtone.providers.local.children.listening import INTERIM_SECONDS, SAMPLE_RATE, serve
from dialtone.providers.local.children.pipe import Pipe

TRAILING_SILENCE_SECONDS = 0.25
"""Silence after words that ends a piece of transcript."""
NO_WORDS_SECONDS = 10.0
"""Silence without any words after which the recogniser starts afresh."""
MAX_UTTERANCE_SECONDS = 20.0


def one_file(folder: Path, pattern: str) -> str:
    """The only file of a pulled model that fits. Raises `OSError` where there is none."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise OSError(f"{folder} has no {pattern}; pull the model again")
    return str(found[0])


def make_recogniser(folder: Path) -> Any:
    import sherpa_onnx

    return sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=one_file(folder, "tokens.txt"),
        encoder=one_file(folder, "encoder-*.onnx"),
        decoder=one_file(folder, "decoder-*.onnx"),
        joiner=one_file(folder, "joiner-*.onnx"),
        num_threads=1,
        sample_rate=SAMPLE_RATE,
        enable_endpoint_detection=True,
        rule1_min_trailing_silence=NO_WORDS_SECONDS,
        rule2_min_trailing_silence=TRAILING_SILENCE_SECONDS,
        rule3_min_utterance_length=MAX_UTTERANCE_SECONDS,
    )


class SherpaStream:
    """One call's stream through the shared recogniser."""

    def __init__(self, recogniser: Any, keyterms: list[str]) -> None:
        self._recogniser = recogniser
        self._stream = recogniser.create_stream()
        self.notes = ["keyterms have no effect on sherpa-onnx"] if keyterms else []
        self._seconds = 0.0
        self._start = 0.0
        self._next_interim = 0.0
        self._interim = ""
        self._rest = b""

    def accept(self, audio: bytes) -> Iterator[dict[str, Any]]:
        audio = self._rest + audio
        whole = len(audio) // 2 * 2
        self._rest = audio[whole:]
        samples = np.frombuffer(audio[:whole], "<i2").astype(np.float32) / 32768
        self._stream.accept_waveform(SAMPLE_RATE, samples)
        self._seconds += len(samples) / SAMPLE_RATE
        while self._recogniser.is_ready(self._stream):
            self._recogniser.decode_stream(self._stream)
        text = self._recogniser.get_result(self._stream).strip().lower()
        if text and not self._interim:
            self._start = max(self._start, self._seconds - INTERIM_SECONDS)
        if self._recogniser.is_endpoint(self._stream):
            self._recogniser.reset(self._stream)
            if text:
                end = max(self._start, self._seconds - TRAILING_SILENCE_SECONDS)
                yield {"type": "final", "text": text, "start": self._start, "end": end}
            self._start = self._seconds
            self._interim = ""
        elif text != self._interim and self._seconds >= self._next_interim:
            self._interim = text
            self._next_interim = self._seconds + INTERIM_SECONDS
            yield {"type": "interim", "text": text}

    def close(self) -> None:
        self._stream = None


def main() -> None:
    pipe = Pipe()
    try:
        recogniser = make_recogniser(Path(sys.argv[1]))
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        pipe.send(0, type="error", message=f"sherpa-onnx could not start: {error}", permanent=True)
        return
    pipe.send(0, type="ready")
    serve(pipe, lambda request: SherpaStream(recogniser, request["keyterms"]))


if __name__ == "__main__":
    main()
