"""baresip (Debian's `baresip-core`), its voice from a file, what it hears in another, told what to do by JSON."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.sip.peers.programs import program, running
from tests.sip.peers.test_sipp import free_port
from tests.sip.peers.tones import LOUD, THEIRS, Samples, read_wave, seconds_of, write_tone

MODULES = Path("/usr/lib/baresip/modules")
RATES = {"PCMU": (8000, 1), "PCMA": (8000, 1), "G722": (16000, 1), "opus": (48000, 2)}
"""Rate and channels of baresip's audio, by codec."""
PATIENCE_SECONDS = 20.0
VOICE_SECONDS = 60.0
HEADER_BYTES = 100
"""More than a recording's."""

CONFIG = """
sip_listen 127.0.0.1:{port}
audio_player aubridge,nil
audio_source aufile,{voice}
audio_alert aubridge,nil
rtp_timeout 0
rtp_ports {rtp}-{rtp_end}
jitter_buffer_delay 1-4
opus_bitrate 32000
snd_path {folder}
ctrl_tcp_listen 127.0.0.1:{control}
module_path {modules}
module aubridge.so
module aufile.so
module sndfile.so
module g711.so
module g722.so
module opus.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
"""


@dataclass
class Baresip:
    """A running one. Its address is `sip:bob@127.0.0.1:PORT`."""

    folder: Path
    port: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _seen: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None

    def tell(self, command: str, parameters: str = "") -> None:
        """Have it do something, as if it was typed after a slash."""
        message = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        assert self._writer is not None
        self._writer.write(b"%d:%s," % (len(message), message))

    async def expect(self, kind: str) -> dict[str, Any]:
        """Its next event of this kind; what comes before is passed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                while self._seen < len(self.events):
                    event = self.events[self._seen]
                    self._seen += 1
                    if event.get("type") == kind:
                        return event
                self._news.clear()
                await self._news.wait()

    async def until_registered(self) -> None:
        """It may have been before anybody listened to its events."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any("OK" in event.get("data", "") for event in self.events):
                self.tell("reginfo")
                self._news.clear()
                await self._news.wait()

    def seconds_heard(self, hertz: float) -> float:
        """How long it has heard a tone, as written to disk so far; it begins a new file with each change of a call."""
        return sum(seconds_of(hertz, samples, rate) for samples, rate in self._heard())

    def loud_seconds(self) -> float:
        """How long it has heard anything."""
        return sum(float((np.abs(samples.astype(int)) > LOUD).sum()) / rate for samples, rate in self._heard())

    def _heard(self) -> list[tuple[Samples, int]]:
        return [read_wave(path) for path in self.folder.glob("dump-*-dec.wav") if path.stat().st_size > HEADER_BYTES]

    def forget(self) -> None:
        """What was heard so far; between calls, since the files of two within a second have the same name."""
        for path in self.folder.glob("dump-*"):
            path.unlink()

    async def until_heard(self, hertz: float, seconds: float = 0.5) -> None:
        await self._until(lambda: self.seconds_heard(hertz) >= seconds)

    async def until_loud(self, seconds: float) -> None:
        await self._until(lambda: self.loud_seconds() >= seconds)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.1)

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take its events, as netstrings."""
        while True:
            try:
                length = int((await reader.readuntil(b":"))[:-1])
                self.events.append(json.loads(await reader.readexactly(length)))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            await reader.readexactly(1)
            self._news.set()


@asynccontextmanager
async def baresip(
    folder: Path,
    account: str = ";regint=0",
    *,
    codec: str = "PCMU",
    hertz: float = THEIRS,
    config: str = "",
    user: str = "bob",
    domain: str = "",
    voice: Path | None = None,
) -> AsyncIterator[Baresip]:
    """One that says `hertz`, or what is in the file `voice`.

    `account` are further parameters of its account, each begun with a semicolon.
    """
    path, port, control, rtp = program("baresip"), free_port(), free_port(), free_port()
    rate, channels = RATES[codec]
    coding = f"audio_codecs={codec}/{rate}/{channels}"
    text = CONFIG.format(
        port=port,
        control=control,
        voice=voice or folder / "voice.wav",
        folder=folder,
        modules=MODULES,
        rtp=rtp // 2 * 2,
        rtp_end=rtp // 2 * 2 + 20,
    )
    _furnish(folder, text + config, f"<sip:{user}@{domain or f'127.0.0.1:{port}'}>;{coding}{account}\n")
    if voice is None:
        write_tone(folder / "voice.wav", hertz, VOICE_SECONDS, rate, channels)
    async with running(path, "-f", str(folder), folder=folder):
        made = Baresip(folder, port)
        reader, made._writer = await _connected(control)
        reading = asyncio.create_task(made.read(reader))
        try:
            yield made
        finally:
            made._writer.close()
            reading.cancel()


def _furnish(folder: Path, config: str, account: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(config)
    (folder / "accounts").write_text(account)
    (folder / "contacts").write_text("")


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
