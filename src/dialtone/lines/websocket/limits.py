"""What one WebSocket caller may cost, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection. Times in seconds."""

    frame_bytes: int = 256 * 1024
    """Largest WebSocket message at all; a larger one closes the socket with code 1009."""
    audio_frame_seconds: float = 2.0
    """Longest stretch of audio in one binary message."""
    text_bytes: int = 4096
    """Largest JSON message."""
    texts_per_second: int = 50
    """JSON messages a client may send in one second."""
    ahead_seconds: float = 5.0
    """How much more audio than real time may arrive."""
    bad_messages: int = 20
    """Bad messages that are answered with an error; the next one ends the call."""
    early_audio_seconds: float = 1.0
    """Audio kept while nobody is attached yet; the oldest is dropped."""
    stalled_buffer_seconds: float = 3.0
    """Unsent audio that counts as a client which has stopped reading."""
    stalled_seconds: float = 5.0
    """How long a client may stay so before the line fails."""
    idle_seconds: float = 15.0
    """Without any message or pong for this long the client counts as gone. A ping is sent at each third of it."""
    closing_seconds: float = 2.0
    """How long the closing handshake may take."""
    hang_up_seconds: float = 10.0
    """How long the owner may take to close the line after the client's `hang_up`."""
