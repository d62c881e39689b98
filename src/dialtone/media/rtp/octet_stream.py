"""What G.711 and G.722 have in common: 64 kbit/s whose payloads can be cut and joined at any octet."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

OCTETS_PER_MS = 8


class OctetStream(ABC):
    @abstractmethod
    def encode(self, frame: bytes) -> bytes:
        """See `Codec.encode`."""

    def pieces(self, frame: bytes, milliseconds: int) -> list[bytes]:
        """See `Codec.pieces`."""
        payload, size = self.encode(frame), OCTETS_PER_MS * milliseconds
        return [payload[at : at + size] for at in range(0, len(payload), size)]

    def joins(self, piece: bytes, following: bytes) -> bool:
        """See `Codec.joins`."""
        return True

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """See `Codec.join`."""
        return b"".join(pieces)
