"""What a bad network costs the transcript: words misheard after loss and jitter, and whether half an hour drifts.

Sentences of known words go as RTP through a network that loses, delays and repeats (a pure function with a seed),
through the receiver as in a call, and to pocketsphinx, which knows the vocabulary and not the sentences. Time is
virtual.
"""

import random
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.media.rtp.network import Impairment, impair, speech_packets

from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.resample import Resampler
from dialtone.media.rtp.codecs import Pcmu
from dialtone.media.rtp.packet import parse
from dialtone.media.rtp.receiver import Receiver
from dialtone.media.rtp.reception import Reception
from dialtone.media.samples import Samples

_ROOT = Path(__file__).resolve().parent.parent
WORDS = (
    "monday tuesday friday sunday january april june october morning evening seven eleven twenty thirty appointment "
    "doctor dentist hospital restaurant table window garden street number house yellow orange purple money paper"
).split()
SENTENCES, QUICK_SENTENCES = 40, 8
WORDS_EACH = 6
PAUSE_SECONDS = 0.6
NOISE_AMPLITUDE = 60
"""As pocketsphinx needs it; see `dialtone.providers.local.children.sphinx`."""
CONDITIONS = {
    "clean": Impairment(),
    "loss2": Impairment(loss=0.02, seed=2),
    "loss5": Impairment(loss=0.05, seed=5),
    "jitter50": Impairment(jitter=0.050, seed=50),
    "loss5_jitter50": Impairment(loss=0.05, jitter=0.050, duplication=0.02, seed=55),
    "loss20": Impairment(loss=0.20, seed=20),
}
MOST_DELAY_SECONDS = 0.3
"""Of the network and the jitter buffer together."""
DRIFT_SECONDS, QUICK_DRIFT_SECONDS = 1800, 120
DRIFTS = (-100e-6, -50e-6, 50e-6, 100e-6)
"""Telephones' clocks are within 50 ppm, as a rule."""


def run(quick: bool) -> dict[str, Any]:
    """Raises `subprocess.CalledProcessError` where nothing can be spoken."""
    chance = random.Random(1)
    count = QUICK_SENTENCES if quick else SENTENCES
    sentences = [chance.sample(WORDS, WORDS_EACH) for _ in range(count)]
    audio, spans = _script(_speak(sentences))
    clear = decode_mulaw(audio)
    result: dict[str, Any] = {"sentences": count, "words": count * WORDS_EACH, "runs": 1}
    for name, impairment in CONDITIONS.items():
        received, receiver = _received(audio, impairment)
        heard = [_hear(_found(received, clear, span)) for span in spans]
        wrong = sum(_errors(*each) for each in zip(sentences, heard, strict=True))
        result[f"word_error_{name}"] = round(wrong / result["words"], 4)
        result[f"delay_ms_{name}"] = round(receiver.delay_seconds * 1000, 1)
        print(f"{name}: {wrong} of {result['words']} words wrong", file=sys.stderr, flush=True)
    seconds = QUICK_DRIFT_SECONDS if quick else DRIFT_SECONDS
    result["drift_ms_30min"] = max(_drift_ms(drift, seconds) for drift in DRIFTS)
    result["drift_seconds"] = seconds
    return result


def _speak(sentences: list[list[str]]) -> list[Samples]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "speech.npz"
        command = [sys.executable, "-m", "benchmarks.impairment_speech", str(target), *map(" ".join, sentences)]
        subprocess.run(command, check=True, cwd=_ROOT)
        with np.load(target) as speech:
            return [speech[str(at)] for at in range(len(sentences))]


def _script(spoken: list[Samples]) -> tuple[bytes, list[slice]]:
    """All sentences with pauses, in mu-law, and where each will be heard."""
    pause = np.zeros(int(PAUSE_SECONDS * 8000), np.int16)
    pieces, spans, at = [pause], [], pause.size
    for samples in spoken:
        pieces += [samples, pause]
        spans.append(slice(at - pause.size // 2, at + samples.size + pause.size // 2))
        at += samples.size + pause.size
    return encode_mulaw(np.concatenate(pieces)), spans


def _received(audio: bytes, impairment: Impairment) -> tuple[Samples, Receiver]:
    """What the conversation hears of `audio`."""
    receiver, reception = Receiver({0: Pcmu()}), None
    arriving = impair(speech_packets(audio), impairment)
    frames, at = [], 0
    for tick in range(1, len(audio) // 160 + 20):
        now = 1000 + tick * 0.020
        while at < len(arriving) and arriving[at][0] <= now:
            packet = parse(arriving[at][1])
            assert packet is not None
            reception = reception or Reception(packet, 8000)
            if reception.receive(packet, arriving[at][0]):
                receiver.insert(packet, arriving[at][0])
            at += 1
        frames.append(receiver.next_frame(now))
    return decode_mulaw(b"".join(frames)), receiver


def _found(received: Samples, clear: Samples, span: slice) -> Samples:
    """The stretch of what was received that was once `span`, however late: a recogniser that hears the same sound some
    milliseconds later in its window may misunderstand another word.
    """
    wanted = clear[span].astype(np.float64)
    reach = received[span.start : span.stop + int(MOST_DELAY_SECONDS * 8000)].astype(np.float64)
    size = 1 << (reach.size + wanted.size).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(reach, size) * np.conj(np.fft.rfft(wanted, size)))
    lag = int(np.argmax(likeness[: reach.size - wanted.size + 1]))
    return received[span.start + lag : span.stop + lag]


def _drift_ms(drift: float, seconds: int) -> float:
    """By how much the delay of a call whose far end's clock runs differently has changed at its end."""
    speech = (_ROOT / "tests/media/speech_8k.ulaw").read_bytes() + b"\xff" * 4000
    audio = (speech * (seconds * 8000 // len(speech) + 1))[: seconds * 8000]
    network = Impairment(drift=drift, jitter=0.002)
    delays = [_received(audio[: until * 8000], network)[1].delay_seconds for until in (30, seconds)]
    return round(abs(delays[1] - delays[0]) * 1000, 1)


@cache
def _decoder() -> Any:
    import pocketsphinx

    root = f"{pocketsphinx.get_model_path()}/en-us"
    with tempfile.NamedTemporaryFile("w", suffix=".gram") as grammar:
        grammar.write(f"#JSGF V1.0;\ngrammar words;\npublic <words> = ( {' | '.join(WORDS)} )+;\n")
        grammar.flush()
        return pocketsphinx.Decoder(
            hmm=f"{root}/en-us", dict=f"{root}/cmudict-en-us.dict", jsgf=grammar.name, loglevel="FATAL"
        )


def _hear(samples: Samples) -> list[str]:
    decoder = _decoder()
    wide = Resampler(8000, 16000).process(samples)
    noise = np.random.default_rng(1).normal(0, NOISE_AMPLITUDE, wide.size)
    decoder.start_utt()
    decoder.process_raw(np.clip(wide + noise, -32768, 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.split() if hypothesis else []


def _errors(said: list[str], heard: list[str]) -> int:
    """Words to change, take out or add, at least."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        former, row = row, [index]
        for at, other in enumerate(heard, 1):
            row.append(min(former[at] + 1, row[at - 1] + 1, former[at - 1] + (word != other)))
    return row[-1]
