"""The jitter buffer: packets in as the network brings them, out in order when each is due.

How late a packet is compared to others of its stream is its *transit*: arrival less timestamp. What is played now must
lag behind the timestamps by at least the transit of nearly all packets; that lag is the *offset*. It grows at once when
packets come too late, because what waits for them conceals the hole and plays them all the same. Whoever plays shortens
it, or lengthens it, where that is not heard: `adjustment` says by how much.
"""

from array import array

import numpy as np

from dialtone.media.rtp.packet import RtpPacket

INITIAL_DELAY = 0.040
"""Seconds that the first packet waits, before anything is known of the network."""
MAX_DELAY = 0.300
"""Seconds beyond the fastest packets that slow ones are waited for. Later ones count as lost."""
WINDOW_PACKETS = 500
"""Packets whose transit is remembered: ten seconds of speech."""
ADAPT_PACKETS = 50
"""The offset is looked at once in so many packets."""
ON_TIME = 0.99
"""Share of packets that shall be on time."""
MARGIN = 0.002
"""Seconds beyond what `ON_TIME` needs: the clock that plays is itself a little early at times."""
STALL_FRAMES = 10
"""After so many empty frames in a row the stream is over for now; what comes next begins anew."""
MAX_BRIDGED = 0.5
"""Seconds of a hole within the stream that are concealed or waited for; a longer one is left out."""
JUMP_SECONDS = 2.0
"""A transit that grows by more from packet to packet is a sender's clock set anew."""
EARLY_SECONDS = 0.2
"""So is one that undercuts the fastest packets by more: no network is early."""
HYSTERESIS = 0.005
"""Seconds of slack beyond one frame that nobody shortens for."""
MAX_PACKETS = 150
"""Packets held at most. 1.5 s in packets of 10 ms."""


class JitterBuffer:
    """Orders the audio packets of one source. Sequence numbers and timestamps must be extended (`Reception`)."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._frame = clock_rate // 50
        self._jump = JUMP_SECONDS * clock_rate
        self._early = EARLY_SECONDS * clock_rate
        self._packets: dict[int, RtpPacket] = {}
        self._transits = array("d", bytes(8 * WINDOW_PACKETS))
        """Of the newest packets, the oldest is overwritten; side by side, because they are sorted every second."""
        self._seen = 0
        """Packets of this stream."""
        self._last_transit = 0.0
        self._fastest = 0.0
        self._newest: RtpPacket | None = None
        self._playing = False
        self._position = 0
        """Timestamp of what is played next."""
        self._played_sequence = -1
        self._empty_frames = 0
        self._needed = 0.0
        """The offset that the network asks for."""
        self._adapted = False
        """Enough packets were seen to know that."""
        self._lowest_offset: float | None = None
        """Since it was last looked at: a late tick makes the offset seem larger than it is."""
        self.late = 0
        """Packets that came after their time, or more at once than are held, and were not played."""
        self.adjustment = 0.0
        """By how many units of the timestamp playing should be delayed less (positive) or more (negative)."""
        self.delay_seconds = 0.0
        """How long the fastest packets of the last seconds waited until they were played."""

    @property
    def playing(self) -> bool:
        """Within a stretch of audio: a hole here is a loss, while before and after it is silence."""
        return self._playing

    def __len__(self) -> int:
        return len(self._packets)

    def restart(self) -> None:
        """Forget the stream: another follows."""
        self._packets.clear()
        self._seen = 0
        self._newest = None
        self._adapted = False
        self.pause()

    def pause(self) -> None:
        """The audio ends here for now; what comes next begins anew, with the delay that it needs."""
        self._playing = False
        self._empty_frames = 0
        self._lowest_offset = None
        self.adjustment = 0.0

    def insert(self, packet: RtpPacket, arrival: float) -> bool:
        """Take a packet that arrived at `arrival` (seconds). Its `duration` must be set. Returns whether 20 ms can be
        played now.
        """
        timestamp = packet.timestamp
        transit = arrival * self._rate - timestamp
        newest = self._newest
        if newest is None or (
            # The sender has set its clock anew.
            transit - self._last_transit > self._jump
            or transit < self._fastest - self._early
            or (timestamp < newest.timestamp and packet.sequence > newest.sequence)
        ):
            self.restart()
            newest = None
        if newest is None or transit < self._fastest:
            self._fastest = transit
            if not self._adapted:
                self._needed = transit + INITIAL_DELAY * self._rate
        if newest is None or packet.sequence > newest.sequence:
            self._newest = packet
        self._last_transit = transit
        self._transits[self._seen % WINDOW_PACKETS] = transit
        self._seen += 1
        if self._playing and timestamp < self._position:
            self.late += 1
        else:
            self._packets[timestamp] = packet
            if len(self._packets) > MAX_PACKETS:
                self.late += 1
                del self._packets[min(self._packets)]
        if not self._seen % ADAPT_PACKETS:
            self._adapt()
        following = self._packets.get(self._position)
        return following is not None and self._playing and following.duration >= self._frame

    def next(self, now: float, ahead: int = 0) -> RtpPacket | None:
        """The packet whose time has come at `now` (seconds), to be played after `ahead` units that still wait with
        the caller. None where 20 ms must be filled without one: `playing` tells whether it is missing or silent.
        """
        time = now * self._rate + ahead
        if not self._playing and not self._begin(time):
            return None
        packet = self._packets.pop(self._position, None)
        if packet is None and (packet := self._bridge(time)) is None:
            return None
        if self._lowest_offset is None or time - packet.timestamp < self._lowest_offset:
            self._lowest_offset = time - packet.timestamp
        self._position = packet.timestamp + packet.duration
        self._played_sequence = packet.sequence
        self._empty_frames = 0
        return packet

    def next_if_here(self) -> RtpPacket | None:
        """The packet that follows what was taken last, before its time; None leaves everything as it is."""
        packet = self._packets.pop(self._position, None) if self._playing else None
        if packet is not None:
            self._position = packet.timestamp + packet.duration
            self._played_sequence = packet.sequence
        return packet

    def shortened(self, units: int) -> None:
        """The caller leaves out that much of what it was given."""
        self.adjustment -= units
        if self.adjustment < self._frame:
            self.adjustment = 0.0
        self._lowest_offset = None

    def lengthened(self) -> None:
        """The caller plays a frame of its own before it takes the next packet."""
        self.adjustment = 0.0
        self._lowest_offset = None

    def _begin(self, time: float) -> bool:
        """Start playing where the delay is as it should be; what is older was waited for in vain."""
        if not self._packets:
            return False
        due = time - self._needed
        if min(self._packets) > due:
            return False
        for timestamp in sorted(self._packets)[:-1]:
            if timestamp + self._frame <= due:
                del self._packets[timestamp]
                self.late += 1
        self._position = min(self._packets)
        self._playing = True
        self._empty_frames = 0
        return True

    def _bridge(self, time: float) -> RtpPacket | None:
        """There is no packet for this very moment: a later one whose turn it is all the same, or None."""
        self._empty_frames += 1
        if not self._packets:
            if self._empty_frames > STALL_FRAMES:
                self.pause()
            return None
        nearest = min(self._packets)
        hole = nearest - self._position
        packet = self._packets[nearest]
        if packet.sequence == self._played_sequence + 1 and hole >= self._frame:
            self.pause()  # nothing was lost: the sender was silent
            return self._packets.pop(self._position) if self._begin(time) else None
        if hole > MAX_BRIDGED * self._rate:
            self.pause()
            return None
        filled = (self._empty_frames - 1) * self._frame
        if hole - filled < self._frame / 2:
            return self._packets.pop(nearest)
        # Later packets are here, so this one is lost, or will be too late. Frames that were filled while nothing at
        # all was here have delayed the stream already, and stand for as much of the hole.
        self._position = min(self._position + filled + self._frame, nearest)
        self._empty_frames = 0
        return None

    def _adapt(self) -> None:
        self._adapted = True
        transits = np.sort(np.frombuffer(self._transits)[: self._seen])
        self._fastest = float(transits[0])
        count = int(np.searchsorted(transits, self._fastest + MAX_DELAY * self._rate, side="right"))
        self._needed = float(transits[int((count - 1) * ON_TIME)]) + MARGIN * self._rate
        if self._lowest_offset is None:
            return
        self.delay_seconds = max(0.0, self._lowest_offset - self._fastest) / self._rate
        surplus = self._lowest_offset - self._needed
        self._lowest_offset = None
        if surplus > MAX_DELAY * self._rate:
            self.pause()  # far behind, after a stall: catching up bit by bit would take longer than anybody waits
        elif surplus < 0:
            self.adjustment = surplus
        else:
            # A frame of slack is natural: audio is played in frames, and packets come at any moment between two.
            spare = surplus - HYSTERESIS * self._rate
            self.adjustment = spare if spare >= self._frame else 0.0
