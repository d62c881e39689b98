"""Bytes that come in pieces of any size and leave in pieces of another, copied once on the way."""

from collections import deque


class ByteQueue:
    """First in, first out. Each operation costs in proportion to the pieces it touches, not to what waits."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._offset = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        if data:
            self._chunks.append(data)
            self._size += len(data)

    def clear(self) -> None:
        self._chunks.clear()
        self._offset = self._size = 0

    def take(self, count: int) -> bytes:
        """The oldest `count` bytes, or all there are if fewer."""
        chunks, offset = self._chunks, self._offset
        if chunks and offset + count < len(chunks[0]):
            self._offset = offset + count
            self._size -= count
            return chunks[0][offset : offset + count]
        return self._take_across(count)

    def _take_across(self, count: int) -> bytes:
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
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
