"""linphonec (Debian's `linphone-cli`), its voice and its ears files, told what to do on its standard input."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.sip.peers.programs import program, running
from tests.sip.peers.test_sipp import free_port
from tests.sip.peers.tones import THEIRS, read_wave, seconds_of, write_tone

PATIENCE_SECONDS = 20.0
VOICE_SECONDS = 60.0
RATE = 8000
LOG = "messages.log"
HEADER_BYTES = 100
"""More than a recording's."""

CONFIG = """
[sip]
sip_port={port}
sip_tcp_port={port}
sip_tls_port=-1
guess_hostname=0
use_ipv6=0
contact=sip:bob@127.0.0.1
{sip}
[rtp]
audio_rtp_port={rtp}
[sound]
echocancellation=0
agc=0
[misc]
uuid=none
"""


@dataclass
class Linphone:
    """A running one. Its address is `sip:bob@127.0.0.1:PORT`."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process
    said: str = ""
    _recordings: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, command: str) -> None:
        """Have it do something, as if it was typed."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")

    def speak_and_listen(self) -> None:
        """Say the tone, and write down what is heard from now on."""
        self._recordings += 1
        self.tell("play voice.wav")
        self.tell(f"record heard-{self._recordings}.wav")

    async def until_said(self, words: str) -> None:
        """Wait until it has written `words`; what it wrote up to then counts no more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while words not in self.said:
                self._news.clear()
                await self._news.wait()
        self.said = self.said.partition(words)[2]

    def seconds_heard(self, hertz: float) -> float:
        files = [read_wave(path) for path in self.folder.glob("heard-*.wav") if path.stat().st_size > HEADER_BYTES]
        return sum(seconds_of(hertz, samples, rate) for samples, rate in files)

    async def until_heard(self, hertz: float, seconds: float = 0.5) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.seconds_heard(hertz) < seconds:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.1)

    async def until_logged(self, line: str) -> None:
        """Wait until it has sent or received a message with this line, or what begins so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while f"\n{line}" not in (self.folder / LOG).read_text(errors="replace"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)

    async def read(self) -> None:
        assert self.process.stdout is not None
        while piece := await self.process.stdout.read(4096):
            self.said += piece.decode(errors="replace")
            self._news.set()


@asynccontextmanager
async def linphone(
    folder: Path, *, hertz: float = THEIRS, answers: bool = True, sip: str = ""
) -> AsyncIterator[Linphone]:
    """One that says `hertz`, and takes calls at once where it `answers`. `sip`: more lines of that section."""
    path, port, rtp = program("linphonec"), free_port(), free_port()
    _furnish(folder, CONFIG.format(port=port, rtp=rtp // 2 * 2, sip=sip), hertz)
    command = [path, "-d", "6", "-l", str(folder / LOG), "-c", str(folder / "config"), *(["-a"] if answers else [])]
    async with running(*command, folder=folder, typed=True) as process:
        made = Linphone(folder, port, process)
        reading = asyncio.create_task(made.read())
        made.tell("soundcard use files")
        await made.until_said("Using wav files")
        try:
            yield made
        finally:
            made.tell("quit")
            reading.cancel()


def _furnish(folder: Path, config: str, hertz: float) -> None:
    (folder / ".local" / "share" / "linphone").mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(config)
    write_tone(folder / "voice.wav", hertz, VOICE_SECONDS, RATE)
