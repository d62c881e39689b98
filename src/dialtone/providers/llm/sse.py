"""Server-sent events out of a byte stream (WHATWG HTML, section 9.2.6 "Interpreting an event stream")."""


class LineTooLongError(Exception):
    """An event or a line grew beyond the limit."""


class EventStream:
    """Gives the data of each event, wherever the stream was cut into pieces.

    Lines end in LF, CR or CR LF. Comments and all fields but `data` are skipped. `limit` bounds a line and an event,
    in bytes.
    """

    def __init__(self, limit: int = 1024 * 1024) -> None:
        self._limit = limit
        self._pending = b""
        self._after_cr = False
        self._first = True
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[str]:
        """The events that `piece` completes. Raises `LineTooLongError`."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return []
        lines = (self._pending + piece).splitlines(keepends=True)
        self._pending = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        self._after_cr = not self._pending and lines[-1].endswith(b"\r")
        if len(self._pending) > self._limit:
            raise LineTooLongError
        return [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]

    def finish(self) -> list[str]:
        """What the end of the stream completes: a last event whose blank line is missing."""
        pending, self._pending = self._pending, b""
        events = [self._line(pending), self._line(b"")]
        return [event for event in events if event is not None]

    def _line(self, line: bytes) -> str | None:
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b"\n".join(data).decode("utf-8", "replace") if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(value)
            if self._size > self._limit:
                raise LineTooLongError
            self._data.append(value.removeprefix(b" "))
        return None
