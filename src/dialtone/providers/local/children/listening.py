"""What every recognising worker does: streams are opened, audio goes in, transcript messages come out.

`{"type": "open", ...}` is answered by `{"type": "opened", "notes": [...]}` or `error`; audio frames (`pcm_s16le`,
16 kHz) by `{"type": "interim", "text"}` and `{"type": "final", "text", "start", "end"}` as they arise, with times in
seconds of the stream's audio; `{"type": "cancel"}` ends the stream.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from dialtone.providers.local.children.pipe import Pipe

SAMPLE_RATE = 16000
INTERIM_SECONDS = 0.2


class Stream(Protocol):
    notes: list[str]
    """What could not be done as asked, in words."""

    def accept(self, audio: bytes) -> Iterable[dict[str, Any]]:
        """Take the next audio, cut anywhere; give the messages it leads to."""

    def close(self) -> None: ...


def serve(pipe: Pipe, open_stream: Callable[[dict[str, Any]], Stream]) -> None:
    """Answer requests until the server goes away, which ends the process."""
    streams: dict[int, Stream] = {}
    while True:
        channel, request = pipe.next_request()
        if isinstance(request, bytes):
            if channel in streams and not pipe.is_cancelled(channel):
                for message in streams[channel].accept(request):
                    pipe.send(channel, **message)
        elif request["type"] == "open":
            try:
                streams[channel] = open_stream(request)
            except (RuntimeError, ValueError, OSError) as error:
                pipe.send(channel, type="error", message=f"a stream could not be opened: {error}", permanent=True)
            else:
                pipe.send(channel, type="opened", notes=streams[channel].notes)
        elif channel in streams:
            streams.pop(channel).close()
