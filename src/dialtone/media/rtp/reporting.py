"""When and what one call reports by RTCP, and what it learns from the far end's reports."""

import random
import secrets

from dialtone.media.rtp import rtcp
from dialtone.media.rtp.reception import Reception
from dialtone.media.rtp.sender import Sender

INTERVAL_SECONDS = 5.0
"""Between two reports, on average (RFC 3550 section 6.2); each is drawn from half to one and a half of it."""
_NTP_SECOND = 1 << 32


class Reporting:
    """The RTCP half of a session. Time is the event loop's: its NTP timestamps count from no known day, which RFC 3550
    section 6.4.1 allows, and tell nobody our clock.
    """

    def __init__(self, now: float) -> None:
        self._cname = secrets.token_hex(8)  # RFC 7022 section 4.2: random, one for each session
        self._next = now + INTERVAL_SECONDS * random.uniform(0.25, 0.75)
        self._last_report = 0
        self._last_report_at = 0.0
        self.round_trip_seconds: float | None = None
        self.remote_lost: int | None = None
        """Packets of ours that never reached the far end, as it says."""
        self.remote_jitter_units: int | None = None

    def due(self, now: float) -> bool:
        return now >= self._next

    def report(self, now: float, sender: Sender, reception: Reception | None, *, goodbye: bool = False) -> bytes:
        """The next compound packet."""
        self._next = now + INTERVAL_SECONDS * random.uniform(0.5, 1.5)
        info = None
        if sender.packets:
            info = rtcp.SenderInfo(int(now * _NTP_SECOND), sender.timestamp_at(now), sender.packets, sender.octets)
        block = None if reception is None else self._block(now, reception)
        return rtcp.build(sender.ssrc, self._cname, info, block, goodbye=goodbye)

    def _block(self, now: float, reception: Reception) -> rtcp.ReportBlock:
        delay = int((now - self._last_report_at) * 65536) if self._last_report else 0
        return rtcp.ReportBlock(
            reception.ssrc,
            reception.fraction_lost(),
            reception.lost,
            reception.newest_sequence,
            int(reception.jitter_units),
            self._last_report,
            delay,
        )

    def receive(self, report: rtcp.Report, arrival: float, ssrc: int, remote_ssrc: int | None) -> None:
        """Take a report that arrived at `arrival`; `ssrc` is ours, `remote_ssrc` whom we hear."""
        if report.sender is not None and report.ssrc == remote_ssrc:
            self._last_report = report.sender.ntp >> 16 & 0xFFFFFFFF
            self._last_report_at = arrival
        for block in report.blocks:
            if block.ssrc != ssrc:
                continue
            self.remote_lost = block.lost
            self.remote_jitter_units = block.jitter
            if block.last_report:
                passed = ((int(arrival * _NTP_SECOND) >> 16) - block.last_report - block.delay) & 0xFFFFFFFF
                if passed < 1 << 31:  # else the far end's clock makes it negative
                    self.round_trip_seconds = passed / 65536
