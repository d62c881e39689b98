"""Bytes that come in pieces of any size and leave in pieces of another, without being copied in between."""

from collections import deque


class ByteQueue:
    """First in, first out. Each operation costs in proportion to the pieces it touches, not to what waits."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self._offset = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        if data:
            self._chunks.append(memoryview(data))
            self._size += len(data)

    def clear(self) -> None:
        self._chunks.clear()
        self._offset = self._size = 0

    def take(self, count: int) -> bytes:
        """The oldest `count` bytes, or all there are if fewer."""
        wanted = min(count, self._size)
        self._size -= wanted
        pieces = []
        while wanted:
            chunk = self._chunks[0]
            end = self._offset + wanted
            pieces.append(chunk[self._offset : end])
            if end < len(chunk):
                self._offset = end
                break
            wanted = end - len(chunk)
            self._chunks.popleft()
            self._offset = 0
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
