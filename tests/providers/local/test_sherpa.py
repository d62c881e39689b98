"""sherpa-onnx: the real package where it is installed; stand-ins for its models, which are too large for a test."""

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dialtone.media.audio import PCM_16K
from dialtone.providers import local
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from dialtone.providers.local import sherpa
from dialtone.providers.local.children.sherpa_hearing import SherpaStream, make_recogniser
from dialtone.providers.local.children.sherpa_speaking import Speaker, make_generation, make_synthesiser
from dialtone.providers.local.model_catalog import find_model

needs_package = pytest.mark.skipif(importlib.util.find_spec("sherpa_onnx") is None, reason="needs sherpa-onnx")


def place(data_dir: Path, name: str) -> Path:
    """Empty files where a pulled model would be."""
    model = find_model(name)
    assert model is not None
    folder = data_dir / "models" / name
    for file in model.files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(b"")
    return folder


def test_auto_takes_what_was_pulled_for_the_language(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sherpa, "_is_installed", lambda: True)
    assert local.speech_to_text({"model": "auto", "language": "en"}, vendors).name == "local pocketsphinx"
    assert local.text_to_speech({"model": "auto", "voice_id": "en-gb"}, vendors).name == "local espeak-ng"
    place(vendors.data_dir, "stt-en")
    place(vendors.data_dir, "tts-en")
    assert local.speech_to_text({"model": "auto", "language": "en"}, vendors).name == "local sherpa-onnx"
    assert local.text_to_speech({"model": "auto", "voice_id": "en-gb"}, vendors).name == "local sherpa-onnx"
    assert local.text_to_speech({"voice_id": "tts-en/12"}, vendors).cache_key == "sherpa-onnx/tts-en/12/1"
    assert local.text_to_speech({"voice_id": "nl"}, vendors).name == "local espeak-ng"
    assert local.text_to_speech({"voice_id": "en-us+f3"}, vendors).name == "local espeak-ng"


def test_auto_does_without_the_package(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sherpa, "_is_installed", lambda: False)
    place(vendors.data_dir, "stt-en")
    assert local.speech_to_text({"model": "auto"}, vendors).name == "local pocketsphinx"
    with pytest.raises(ProviderError, match=r"pip install 'dialtone\[sherpa\]'"):
        local.speech_to_text({"model": "sherpa-onnx"}, vendors)


@needs_package
async def test_the_real_package_refuses_damaged_models_in_words(vendors: Vendors) -> None:
    place(vendors.data_dir, "tts-en")
    with pytest.raises(ProviderError, match="sherpa-onnx"):
        await local.text_to_speech({"model": "sherpa-onnx", "voice_id": "en"}, vendors).open(PCM_16K)


class _Recorder:
    """Takes any attribute and any call, and remembers the keyword arguments."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    def __call__(self, **arguments: Any) -> "_Recorder":
        self.arguments |= arguments
        return self

    def validate(self) -> bool:
        return True


@needs_package
def test_the_recogniser_is_made_with_arguments_that_the_real_package_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inspect

    import sherpa_onnx

    recorder = _Recorder()
    known = inspect.signature(sherpa_onnx.OnlineRecognizer.from_transducer).parameters
    monkeypatch.setattr(sherpa_onnx.OnlineRecognizer, "from_transducer", recorder)
    folder = place(tmp_path, "stt-en")
    make_recogniser(folder)
    assert recorder.arguments.keys() <= known.keys()
    assert recorder.arguments["encoder"].startswith(str(folder / "encoder-"))


@needs_package
def test_the_real_voice_configuration_takes_our_arguments(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not have a graph"):
        make_synthesiser(place(tmp_path, "tts-en"))
    with pytest.raises(OSError, match=r"has no \*\.onnx"):
        make_synthesiser(tmp_path)


class FakeRecogniser:
    """Decodes a word for each half second of sound; an endpoint after a quarter second of silence."""

    def __init__(self) -> None:
        self.sound = self.silence = 0.0

    def create_stream(self) -> "FakeRecogniser":
        return self

    def accept_waveform(self, rate: int, samples: Any) -> None:
        seconds = len(samples) / rate
        if np.abs(samples).max(initial=0) > 0.1:
            self.sound, self.silence = self.sound + seconds, 0.0
        else:
            self.silence += seconds

    def is_ready(self, stream: object) -> bool:
        return False

    def get_result(self, stream: object) -> str:
        return " ".join(["WORD"] * int(self.sound / 0.5))

    def is_endpoint(self, stream: object) -> bool:
        return bool(self.sound) and self.silence >= 0.25

    def reset(self, stream: object) -> None:
        self.sound = self.silence = 0.0


def test_a_stream_gives_interims_and_a_final_with_its_times() -> None:
    stream = SherpaStream(FakeRecogniser(), [])
    loud = np.full(320, 16000, "<i2").tobytes()
    messages = []
    for frame in [bytes(640)] * 50 + [loud] * 60 + [bytes(640)] * 20:
        messages += list(stream.accept(frame))
    assert [each["type"] for each in messages] == ["interim", "interim", "final"]
    final = messages[-1]
    assert final["text"] == "word word"
    assert 1.0 <= final["start"] < final["end"] == pytest.approx(2.2, abs=0.05)


class FakePipe:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.audio = b""
        self.cancel_after: int | None = None

    def send(self, channel: int, **fields: Any) -> None:
        self.messages.append(fields)

    def send_audio(self, channel: int, audio: bytes) -> None:
        self.audio += audio

    def is_cancelled(self, channel: int) -> bool:
        return self.cancel_after is not None and len(self.audio) >= self.cancel_after


class FakeVoice:
    num_speakers = 2
    sample_rate = 16000

    def generate(self, text: str, generation: object, callback: Any) -> None:
        for progress in (0.5, 1.0):
            if not callback(np.full(16000, 0.5, np.float32), progress):
                return


def test_a_voice_is_sent_in_slices_that_add_up_to_the_text() -> None:
    pipe = FakePipe()
    speaker = Speaker(pipe, FakeVoice(), lambda *wish: wish)  # type: ignore[arg-type]
    speaker.answer(1, {"type": "speak", "text": "ten chars.", "voice": 1, "speed": 1.0})
    assert len(pipe.audio) == 2 * 16000 * 2
    marks = [each["characters"] for each in pipe.messages if each["type"] == "at"]
    assert marks == sorted(marks)
    assert marks[-1] == 10
    assert pipe.messages[-1] == {"type": "done"}


def test_a_cancelled_voice_stops_within_a_slice() -> None:
    pipe = FakePipe()
    pipe.cancel_after = 3200
    Speaker(pipe, FakeVoice(), lambda *wish: wish).answer(1, {"type": "speak", "text": "x", "voice": 0, "speed": 1.0})  # type: ignore[arg-type]
    assert len(pipe.audio) == 3200


def test_a_speaker_that_the_voice_lacks_is_named() -> None:
    pipe = FakePipe()
    Speaker(pipe, FakeVoice(), lambda *wish: wish).answer(1, {"type": "check", "voice": 2})  # type: ignore[arg-type]
    assert "speakers 0 to 1" in pipe.messages[0]["message"]


PHONEMES = """
from dialtone.providers.local.children.espeak_library import Phonemiser
for sentence in Phonemiser("en-us").sentences("Hello, world! It costs 2.5 dollars... Bye"):
    print(sentence)
"""


async def test_phonemes_keep_the_punctuation_and_the_sentences() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PHONEMES, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    hello, costs, bye = output.decode().splitlines()
    assert hello.startswith("h")
    assert "," in hello
    assert hello.endswith("!")
    assert costs.endswith(".")
    assert costs.count(".") == 1
    assert bye.startswith("b")


@needs_package
def test_the_real_package_takes_our_generation_request() -> None:
    class Phonemes:
        def sentences(self, text: str) -> list[str]:
            return ["ab."] if text else []

    generation = make_generation(Phonemes(), "x", 3, 1.5)  # type: ignore[arg-type]
    assert generation is not None
    assert generation.phoneme_codepoints == [[97, 98, 46]]
    assert (generation.sid, generation.speed) == (3, 1.5)
    assert make_generation(Phonemes(), "", 3, 1.5) is None  # type: ignore[arg-type]
