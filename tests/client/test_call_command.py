"""`dialtone call` against a server of the test, whose assistant answers when the caller has spoken."""

import argparse
import asyncio
import json
import socket
import threading
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from dialtone.client import call_command
from dialtone.lines import base
from dialtone.lines.websocket.door import Admission, Refusal, WebSocketDoor
from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode, encode

TONE_SECONDS = 0.3


def tone(rate: int, seconds: float, hertz: float = 440) -> np.ndarray[Any, np.dtype[np.int16]]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


class Assistant:
    """Hears the caller's tone, answers with another once the caller is silent, and says so."""

    def __init__(self, line: base.Line, hang_up: bool) -> None:
        self._line = line
        self._hang_up = hang_up
        self._heard = 0.0
        self._answering: asyncio.Task[None] | None = None
        line.attach(self)

    def on_audio(self, audio: bytes) -> None:
        samples = decode(audio, self._line.audio)
        if np.abs(samples).max(initial=0) > 2000:
            self._heard += len(samples) / self._line.audio.sample_rate
        elif self._heard >= TONE_SECONDS - 0.05 and self._answering is None:
            self._answering = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        line = self._line
        if self._hang_up:
            await line.close("assistant_hangup")
            return
        line.publish(base.SpeechStarted(True))
        line.publish(base.SpeechStarted(False))
        line.publish(base.Transcript("good morn", False))
        line.publish(base.Transcript("good morning", True))
        line.publish(base.TurnMeasured({"endpointing": 400.0, "total": 640.0, "playout": None}))
        line.publish(base.AssistantText("Hello there."))
        speech = encode(tone(line.audio.sample_rate, 0.2, 880), line.audio)
        for start in range(0, len(speech), line.audio.frame_bytes):
            line.send_audio(speech[start : start + line.audio.frame_bytes])
        line.send_mark("said")

    def on_dtmf(self, digit: str) -> None: ...

    def on_mark(self, name: str) -> None:
        self._line.publish(base.AssistantHeard("Hello there.", False))

    def on_closed(self, reason: str, *, failed: bool) -> None:
        self._closing = asyncio.get_running_loop().create_task(self._line.close("error" if failed else "user_hangup"))


@dataclass
class FakeServer:
    url: str = ""
    created: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answer: tuple[int, dict[str, Any]] | None = None
    hang_up: bool = False
    refuse: bool = False

    async def claim(self, token: str, audio: AudioFormat) -> Admission | Refusal:
        if self.refuse:
            return Refusal("invalid_token", "This token has expired.")
        return Admission("call-7", lambda line: setattr(self, "_assistant", Assistant(line, self.hang_up)))

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part["body"], part["more_body"]
        self.created.append(json.loads(body))
        self.keys.append(dict(scope["headers"])[b"authorization"].decode())
        status, answer = self.answer or (
            201,
            {"token": "wc_1", "server_url": self.url.replace("http", "ws") + "/api/v1/web-calls/stream"},
        )
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


@pytest.fixture(scope="module")
def _running() -> Iterator[FakeServer]:
    """The command runs a loop of its own, so the server runs in another thread."""
    fake = FakeServer()
    listening = socket.create_server(("127.0.0.1", 0))
    fake.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    door = WebSocketDoor(fake.claim)
    server = uvicorn.Server(
        uvicorn.Config(
            fake.app, interface="asgi3", ws=door.protocol, http="httptools", lifespan="off", log_level="critical"
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    yield fake
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def server(_running: FakeServer) -> FakeServer:
    _running.created.clear()
    _running.keys.clear()
    _running.answer, _running.hang_up, _running.refuse = None, False, False
    return _running


def write_wav(path: Path, rate: int, channels: int = 1, width: int = 2) -> Path:
    samples = np.repeat(tone(rate, TONE_SECONDS)[:, None], channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes() if width == 2 else bytes(rate))
    return path


def arguments(server_url: str, wav: Path, out: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    call_command.add_arguments(parser)
    return parser.parse_args(
        [
            "--assistant",
            "a-1",
            "--wav",
            str(wav),
            "--out",
            str(out),
            "--url",
            server_url,
            "--api-key",
            "fl_live_k",
            *more,
        ]
    )


@pytest.fixture(autouse=True)
def _settle_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_command, "_SETTLED_SECONDS", 0.15)


@pytest.mark.parametrize(
    ("rate", "channels", "options", "out_rate"),
    [
        (16000, 1, (), 16000),
        (44100, 2, ("--encoding", "mulaw"), 8000),
        (8000, 1, ("--sample-rate", "24000"), 24000),
    ],
)
def test_a_call_is_held_and_written_down(
    server: FakeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rate: int,
    channels: int,
    options: tuple[str, ...],
    out_rate: int,
) -> None:
    wav, out = write_wav(tmp_path / "in.wav", rate, channels), tmp_path / "call.wav"
    assert call_command.run(arguments(server.url, wav, out, "--json", *options)) == 0
    result = json.loads(capsys.readouterr().out)
    assert server.created == [{"assistant_id": "a-1"}]
    assert server.keys == ["Bearer fl_live_k"]
    assert result["call_id"] == "call-7"
    assert [(line["role"], line["text"]) for line in result["transcript"]] == [
        ("user", "good morning"),
        ("assistant", "Hello there."),
    ]
    assert result["transcript"][0]["at"] <= result["transcript"][1]["at"]
    assert result["turns"] == [{"endpointing": 400.0, "total": 640.0, "playout": None}]
    assert (result["end_reason"], result["errors"]) == ("user_hangup", [])
    with wave.open(str(out)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, out_rate)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    loud = np.abs(heard) > 2000
    left, right = np.flatnonzero(loud[:, 0]) / out_rate, np.flatnonzero(loud[:, 1]) / out_rate
    assert left[-1] - left[0] == pytest.approx(TONE_SECONDS, abs=0.04)
    assert right[-1] - right[0] == pytest.approx(0.2, abs=0.04)
    assert left[-1] <= right[0] < left[-1] + 0.3


def test_for_people_it_prints_lines(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments(server.url, wav, tmp_path / "call.wav")) == 0
    printed = capsys.readouterr().out
    assert "user       good morning" in printed
    assert "assistant  Hello there." in printed
    assert "latency    endpointing 400 ms, total 640 ms" in printed
    assert "ended: user_hangup" in printed


def test_an_assistant_that_hangs_up_ends_the_command(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.hang_up = True
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments(server.url, wav, tmp_path / "call.wav", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["end_reason"] == "assistant_hangup"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"error": "Unauthorized", "message": "Invalid or missing API key"}, "(401): Unauthorized. Invalid or"),
        (400, {"error": "Bad", "details": ["assistant_id: is required"]}, "assistant_id: is required"),
        (200, {"hello": 1}, "does not answer like a Dialtone server"),
    ],
)
def test_a_refused_call_is_told(
    server: FakeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: dict[str, Any],
    words: str,
) -> None:
    server.answer = (status, body)
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments(server.url, wav, tmp_path / "call.wav")) == 1
    assert words in capsys.readouterr().err


def test_a_refused_token_is_told(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.refuse = True
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments(server.url, wav, tmp_path / "call.wav")) == 1
    assert "did not admit the call: This token has expired." in capsys.readouterr().err


def test_no_server_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments("http://127.0.0.1:1", wav, tmp_path / "call.wav")) == 1
    assert capsys.readouterr().err == (
        "dialtone call: no server answers at http://127.0.0.1:1 (Connection refused): start it with `dialtone serve`, "
        "or name its address with --url, or its port with DIALTONE_PORT\n"
    )


def test_an_address_without_its_scheme_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments("localhost:1", wav, tmp_path / "call.wav")) == 1
    assert "localhost:1 is no address of a server, such as http://" in capsys.readouterr().err


def test_the_server_of_this_machine_is_called_at_its_configured_port(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["--assistant", "a-1", "--wav", "in.wav", "--out", "out.wav"]
    for port, url in (("", "http://127.0.0.1:8080"), ("8790", "http://127.0.0.1:8790")):
        monkeypatch.setenv("DIALTONE_PORT", port)
        parser = argparse.ArgumentParser()
        call_command.add_arguments(parser)
        assert parser.parse_args(needed).url == url


def test_files_that_cannot_be_used_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.wav"
    text.write_text("hello")
    narrow = write_wav(tmp_path / "narrow.wav", 8000, width=1)
    for wav, words in [
        (tmp_path / "absent.wav", "absent.wav: no such file"),
        (text, "not a PCM WAV file"),
        (narrow, "must have 16-bit samples (got 8-bit)"),
    ]:
        assert call_command.run(arguments("http://127.0.0.1:1", wav, tmp_path / "call.wav")) == 2
        assert words in capsys.readouterr().err
    wav = write_wav(tmp_path / "in.wav", 16000)
    assert call_command.run(arguments("http://127.0.0.1:1", wav, tmp_path / "nowhere" / "call.wav")) == 2
    assert "there is no directory" in capsys.readouterr().err
