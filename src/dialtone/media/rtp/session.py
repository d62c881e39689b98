"""One call's audio by RTP: what comes goes to the owner, one frame at each tick of the media clock; what the owner says
goes out at once.
"""

import asyncio
from ipaddress import ip_address
from typing import Protocol

from dialtone.media.audio import FRAME_SECONDS, AudioFormat
from dialtone.media.clock import MediaClock
from dialtone.media.convert import decode
from dialtone.media.rtp import rtcp
from dialtone.media.rtp.codecs import create
from dialtone.media.rtp.datagram_socket import Address
from dialtone.media.rtp.dtmf_tones import ToneDetector
from dialtone.media.rtp.incoming import Incoming
from dialtone.media.rtp.latching import SourceLatch
from dialtone.media.rtp.outgoing import Outgoing
from dialtone.media.rtp.packet import is_rtcp
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts
from dialtone.media.rtp.reporting import Reporting
from dialtone.media.rtp.srtp import Srtp, SrtpError
from dialtone.media.rtp.statistics import RtpStatistics

MEDIA_TIMEOUT_SECONDS = 60.0
DATAGRAMS_AT_ONCE = 128
"""Taken from a socket at one tick; it holds fewer, so only a flood leaves any."""
RTCP_TICKS = 25
"""The RTCP socket is looked at once in so many ticks, twice a second."""


class RtpHandler(Protocol):
    """The owner of a session. Called from a tick of the media clock; must not block."""

    def on_audio(self, frame: bytes) -> None:
        """20 ms of the caller in the session's format, at every tick: silence where nothing comes."""

    def on_dtmf(self, digit: str) -> None:
        """One of 0-9 * # A-D."""

    def on_media_timeout(self) -> None:
        """Neither RTP nor RTCP came from the far end for `media_timeout` seconds. Called once; the session goes on."""

    def on_failed(self, error: Exception) -> None:
        """A tick raised, here or in the handler; it is logged. Nothing more comes or goes: the call is to be ended."""


class RtpSession:
    """The face of RTP. Bind the ports, send the SDP, make a session when the far end's SDP is known, `start` it."""

    def __init__(
        self,
        ports: MediaPorts,
        clock: MediaClock,
        parameters: RtpParameters,
        *,
        media_timeout: float = MEDIA_TIMEOUT_SECONDS,
    ) -> None:
        """The ports are the session's from here on, also if it raises `ValueError` for what can't be done here."""
        self._loop = asyncio.get_running_loop()
        self._ports = ports
        self._clock = clock
        self._media_timeout = media_timeout
        self._handler: RtpHandler | None = None
        self._ticks = 0
        self._phase: int | None = None
        self._alive_at = self._received_at = self._loop.time()
        self._timed_out = False
        self._closed = False
        self._reporting = Reporting(self._alive_at)
        self._rtcp_source: Address | None = None
        self._rtcp_strays = self._rtcp_malformed = 0
        try:
            self._codec = create(parameters.codec)
            self._latch = self._new_latch(parameters)
            self._srtp = _srtp_of(parameters, None)
            self._incoming = Incoming(parameters, self._codec, self._latch, self._srtp)
        except ValueError:
            ports.close()
            raise
        self._parameters = parameters
        self._outgoing = Outgoing(parameters, self._codec, self._transmit)
        self._tones = self._new_tones()

    # What the owner calls

    @property
    def audio(self) -> AudioFormat:
        """Format of the frames in both directions."""
        return self._codec.audio

    def start(self, handler: RtpHandler) -> None:
        """Receive and send from the media clock's next tick on; again, for another handler from now on."""
        self._handler = handler
        self._alive_at = self._received_at = self._loop.time()
        self._timed_out = False
        self._clock.add(self, self._failed)

    def send_audio(self, frame: bytes) -> None:
        """Send 20 ms of audio, at once. Whoever calls this from a tick of their own should be ticked right before the
        session (`MediaClock.add`), so that what it sends in silences falls into the same rhythm. If they are not, the
        session goes over to theirs, which shifts its schedule once.
        """
        phase = self._clock.serving
        if phase is not None and phase != self._phase:
            self._phase = phase
            self._clock.follow(self)
        if self._parameters.sends and not self._closed:
            self._outgoing.send(frame, self._loop.time())

    def send_dtmf(self, digits: str) -> None:
        """Press keys, in place of the audio of that time. Raises `ValueError` for what is no key, or too many."""
        self._outgoing.dtmf.press(digits)

    def update(self, parameters: RtpParameters) -> None:
        """The ends agreed on something else, in the same line format. Raises `ValueError`, leaving all as it was, for
        what can't be done here.
        """
        former = self._parameters
        if _coding(parameters) != _coding(former):
            codec = create(parameters.codec)
            if codec.audio != self.audio:
                raise ValueError(
                    f"{parameters.codec} has another format than {former.codec}, which the call began with"
                )
            has_other_keys = parameters.srtp != former.srtp
            srtp = _srtp_of(parameters, self._srtp)
            latch = self._new_latch(parameters) if has_other_keys else self._latch
            self._incoming = Incoming(parameters, codec, latch, srtp, self._incoming.counts)
            self._outgoing.update(parameters, codec)
            if has_other_keys:
                # Whoever has another key may be another telephone, and can't know how often our numbers have wrapped:
                # no packet tells. Those of another source have not.
                self._outgoing.sender.restart(codec.clock_rate)
            self._codec, self._srtp, self._latch = codec, srtp, latch
        elif parameters.packet_ms != former.packet_ms:
            self._outgoing.update(parameters, self._codec)
        if parameters.remote != former.remote:
            self._latch.expect(parameters.remote, parameters.signalling_host)
            self._rtcp_source = None
        self._parameters = parameters
        self._tones = self._new_tones()
        self._alive_at = self._loop.time()
        self._timed_out = False

    def close(self) -> None:
        """Say goodbye to the far end and give the ports back. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._clock.remove(self)
        self._outgoing.flush()
        self._report(self._loop.time(), goodbye=True)
        self._ports.close()

    @property
    def statistics(self) -> RtpStatistics:
        """So far; also after `close`."""
        counts, reception, reporting = self._incoming.counts, self._incoming.reception, self._reporting
        remote_jitter = reporting.remote_jitter_units
        return RtpStatistics(
            codec=self._parameters.codec,
            encrypted=self._srtp is not None,
            packets_received=counts.received,
            packets_lost=counts.lost,
            packets_late=counts.late,
            packets_duplicated=counts.duplicates,
            packets_reordered=counts.reordered,
            packets_stray=self._latch.strays + self._rtcp_strays,
            packets_malformed=counts.malformed + self._rtcp_malformed,
            packets_sent=self._outgoing.sender.total_packets,
            concealed_seconds=counts.concealed_frames * FRAME_SECONDS,
            jitter_ms=reception.jitter_seconds * 1000 if reception else 0.0,
            max_jitter_ms=reception.max_jitter_seconds * 1000 if reception else 0.0,
            playout_delay_ms=self._incoming.receiver.delay_seconds * 1000,
            round_trip_ms=None if reporting.round_trip_seconds is None else reporting.round_trip_seconds * 1000,
            remote_packets_lost=reporting.remote_lost,
            remote_jitter_ms=None if remote_jitter is None else remote_jitter * 1000 / self._codec.clock_rate,
        )

    # What the media clock calls

    def tick(self, now: float) -> None:
        """Take what came, hand on 20 ms, and send 20 ms of silence or keys where nothing else was sent."""
        self._receive(now)
        self._ticks += 1
        if not self._ticks % RTCP_TICKS:
            self._check(now)
        handler = self._handler
        if handler is not None and not self._closed:
            frame = self._incoming.receiver.next_frame(now)
            handler.on_audio(frame)
            if self._tones is not None and (key := self._tones.hear(decode(frame, self._codec.audio))):
                handler.on_dtmf(key)
        if self._parameters.sends and not self._closed:
            self._outgoing.fill(now)

    def _receive(self, now: float) -> None:
        """Take what came. To ask a socket in vain costs nearly as much as a packet, so it is not asked again where just
        the one packet came that was due. Should others be left, the next tick finds them: the first is older than this.
        """
        receive, mux, incoming = self._ports.rtp.receive, self._parameters.rtcp_mux, self._incoming
        for _ in range(DATAGRAMS_AT_ONCE):
            arrived = receive(now)
            if arrived is None:
                break
            if mux and is_rtcp(arrived[0]):
                self._take_rtcp(*arrived)
            elif (key := incoming.take(*arrived)) is not None and self._handler is not None:
                self._handler.on_dtmf(key)
            elif incoming.in_step and arrived[2] > self._received_at:
                break
        self._received_at = now

    def _failed(self, error: Exception) -> None:
        if self._handler is not None:
            self._handler.on_failed(error)

    # RTCP, and whether the far end lives

    def _check(self, now: float) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            arrived = self._ports.rtcp.receive(now)
            if arrived is None:
                break
            if not self._parameters.rtcp_mux:
                self._take_rtcp(*arrived)
        if self._reporting.due(now):
            self._report(now)
        if self._incoming.heard_at is not None:
            self._alive_at = max(self._alive_at, self._incoming.heard_at)
        silent = now - self._alive_at > self._media_timeout
        if silent and not self._parameters.on_hold and not self._timed_out and self._handler is not None:
            self._timed_out = True
            self._handler.on_media_timeout()

    def _take_rtcp(self, datagram: bytes, source: Address, arrival: float) -> None:
        if self._srtp is not None:
            try:
                datagram = self._srtp.unprotect_rtcp(datagram)
            except SrtpError:
                self._rtcp_malformed += 1
                return
        elif source[0] not in (self._latch.destination[0], self._announced_rtcp()[0]):
            self._rtcp_strays += 1
            return
        report = rtcp.parse(datagram)
        if report is None:
            self._rtcp_malformed += 1
            return
        self._rtcp_source = source
        self._alive_at = arrival
        reception = self._incoming.reception
        remote_ssrc = None if reception is None else reception.ssrc
        self._reporting.receive(report, arrival, self._outgoing.sender.ssrc, remote_ssrc)
        if remote_ssrc in report.goodbyes:
            self._incoming.receiver.pause()  # what does not come any more is no loss

    def _report(self, now: float, *, goodbye: bool = False) -> None:
        mux = self._parameters.rtcp_mux
        destination = self._latch.destination if mux else self._rtcp_source or self._announced_rtcp()
        if ip_address(destination[0]).is_unspecified:
            return  # an old way to hold a call (RFC 3264 section 8.4); the packet would come to this very machine
        report = self._reporting.report(now, self._outgoing.sender, self._incoming.reception, goodbye=goodbye)
        if self._srtp is not None:
            report = self._srtp.protect_rtcp(report)
        (self._ports.rtp if mux else self._ports.rtcp).send(report, destination)

    def _announced_rtcp(self) -> Address:
        """Where RTCP goes as long as none has come: as SDP says, or beside where RTP really comes from."""
        if self._parameters.remote_rtcp is not None:
            return self._parameters.remote_rtcp
        host, port = self._latch.destination
        return host, min(port + 1, 65535)

    def _transmit(self, packet: bytes) -> None:
        if self._srtp is not None:
            packet = self._srtp.protect(packet)
        self._ports.rtp.send(packet, self._latch.destination)

    def _new_tones(self) -> ToneDetector | None:
        return ToneDetector(self._codec.audio.sample_rate) if self._parameters.received_event is None else None

    @staticmethod
    def _new_latch(parameters: RtpParameters) -> SourceLatch:
        return SourceLatch(parameters.remote, parameters.signalling_host, authenticated=parameters.srtp is not None)


def _srtp_of(parameters: RtpParameters, former: Srtp | None) -> Srtp | None:
    return Srtp(parameters.srtp.local, parameters.srtp.remote, former) if parameters.srtp else None


def _coding(parameters: RtpParameters) -> tuple[object, ...]:
    """What a stream can't change without beginning anew."""
    return (
        parameters.codec,
        parameters.payload_type,
        dict(parameters.received),
        parameters.received_event,
        parameters.sent_event,
        parameters.comfort_noise,
        parameters.srtp,
    )
