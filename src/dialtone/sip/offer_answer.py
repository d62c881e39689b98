"""Offer and answer for one audio stream (RFC 3264): which codec, where to, how protected.

Nothing here is kept between calls of these functions: whoever holds a call keeps the descriptions and what was agreed.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dialtone.sip.crypto_attribute import KEY_BYTES, SrtpKey, new_key, parse_crypto
from dialtone.sip.errors import ParseError, SipError
from dialtone.sip.sdp import Direction, Media, SessionDescription, parse_sdp

SrtpPolicy = Literal["off", "optional", "required"]

_PLAIN = ("RTP/AVP", "RTP/AVPF")
_SECURE = ("RTP/SAVP", "RTP/SAVPF")
_REVERSED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class NotAcceptableError(SipError):
    """The two sides have no codec or no protection in common; a call is refused with 488."""


@dataclass(frozen=True, slots=True)
class Codec:
    name: str
    clock_rate: int
    """Of RTP timestamps: 8000 for G.722 although it samples at 16000 Hz (RFC 3551 section 4.5.2)."""
    payload_type: int
    """The number we offer it under."""
    channels: int = 1
    parameters: str = ""
    """Of its fmtp attribute, in our offers and answers."""

    @property
    def rtpmap(self) -> str:
        channels = f"/{self.channels}" if self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{channels}"


CODECS = {
    "PCMU": Codec("PCMU", 8000, 0),
    "PCMA": Codec("PCMA", 8000, 8),
    "G722": Codec("G722", 8000, 9),
    "opus": Codec("opus", 48000, 111, 2, "useinbandfec=1"),
}
_TELEPHONE_EVENT = {8000: 101, 48000: 110}
"""The numbers under which we offer telephone-event, by clock rate."""
PACKET_MS = (10, 20, 30, 40, 60)
"""Lengths of packets that whoever sends audio should be able to make."""
_MILLISECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_STATIC = {"0": ("pcmu", 8000), "8": ("pcma", 8000), "9": ("g722", 8000), "13": ("cn", 8000)}


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """What we can do, in order of preference."""

    codecs: tuple[str, ...] = ("opus", "G722", "PCMA", "PCMU")
    srtp: SrtpPolicy = "optional"
    packet_ms: int = 20
    suites: tuple[str, ...] = tuple(KEY_BYTES)
    """Of SRTP, those that the media can do."""


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """Where we receive audio."""

    address: str
    port: int
    direction: Direction = "sendrecv"


@dataclass(frozen=True, slots=True)
class AgreedAudio:
    """What both sides agreed on."""

    codec: str
    clock_rate: int
    send_payload_type: int
    receive_payload_types: Mapping[int, str]
    """Names of the codecs that may come, by payload type: where we offered, whatever the answer has in common with it,
    a packet in one and the next in another (RFC 3264 section 5.1).
    """
    remote_address: str
    remote_port: int
    remote_control_port: int
    """Where RTCP goes; the same as `remote_port` where both share it (RFC 5761)."""
    direction: Direction
    """As we see it: `sendonly` means that we send and hear nothing."""
    packet_ms: int
    """How much audio the other side wants in a packet, or the nearest below it of `PACKET_MS`."""
    send_event_type: int | None
    """Payload type of telephone-event; None where the other side knows none."""
    receive_event_type: int | None
    comfort_noise_type: int | None
    """Payload type of comfort noise (RFC 3389), both ways. We never ask for it, and do it where we are asked."""
    send_key: SrtpKey | None
    receive_key: SrtpKey | None


def make_offer(local: LocalAudio, options: AudioOptions, previous: str | None = None) -> str:
    """An offer; with the description that we sent before in the same call, its next version, protected as that was."""
    protocol, keys = _protection(local, options, previous)
    audio = Media("audio", local.port, protocol, [])
    codecs = [CODECS[name] for name in options.codecs]
    for codec in codecs:
        _add_codec(audio, str(codec.payload_type), codec)
    for rate in sorted({codec.clock_rate for codec in codecs}):
        _add_events(audio, str(_TELEPHONE_EVENT[rate]), rate)
    audio.attributes += [("crypto", str(key)) for key in keys]
    _finish(audio, local, options)
    return str(_next_session(local, audio, previous))


def answer_offer(
    offer: str, local: LocalAudio, options: AudioOptions, previous: str | None = None
) -> tuple[str, AgreedAudio]:
    """Our answer to an offer, and what it agrees on. Raises `ParseError` or `NotAcceptableError`."""
    theirs = parse_sdp(offer)
    chosen = next((media for media in theirs.media if _is_possible(media, options)), None)
    address = theirs.address_of(chosen) if chosen is not None else None
    if chosen is None or address is None:
        raise NotAcceptableError("no audio stream that we could take part in")
    number, codec = min(_codecs_of(chosen, options), key=lambda pair: options.codecs.index(pair[1].name))
    receive_key, send_key = _choose_keys(chosen, options, _keys_kept(previous, local))
    audio = Media("audio", local.port, chosen.protocol, [])
    _add_codec(audio, number, codec)
    event_type = _event_type(chosen, codec.clock_rate)
    if event_type is not None:
        _add_events(audio, str(event_type), codec.clock_rate)
    noise_type = _number_of(chosen, "cn", codec.clock_rate)
    if noise_type is not None:
        audio.formats.append(str(noise_type))
        audio.attributes.append(("rtpmap", f"{noise_type} CN/{codec.clock_rate}"))
    if send_key is not None:
        audio.attributes.append(("crypto", str(send_key)))
    if chosen.attribute("rtcp-mux") is not None:
        audio.attributes.append(("rtcp-mux", None))
    direction = _common_direction(local.direction, _their_direction(theirs, chosen))
    _finish(audio, LocalAudio(local.address, local.port, direction), options)
    session = _next_session(local, audio, previous)
    session.media = [audio if media is chosen else _rejected(media) for media in theirs.media]
    agreed = AgreedAudio(
        codec.name, codec.clock_rate, int(number), {int(number): codec.name}, address, chosen.port,
        _control_port(chosen), direction, _packet_ms(chosen, options), event_type, event_type, noise_type,
        send_key, receive_key,
    )  # fmt: skip
    return str(session), agreed


def apply_answer(offer: str, answer: str, options: AudioOptions) -> AgreedAudio:
    """What an answer to our offer agrees on. Raises `ParseError` or `NotAcceptableError`."""
    ours, theirs = parse_sdp(offer), parse_sdp(answer)
    pairs = zip(ours.media, theirs.media, strict=False)
    pair = next(((mine, other) for mine, other in pairs if mine.port and other.port and mine.kind == "audio"), None)
    address = theirs.address_of(pair[1]) if pair is not None else None
    if pair is None or address is None:
        raise NotAcceptableError("our audio was refused")
    mine, other = pair
    number, codec, received = _codecs_of_answer(mine, other, options)
    send_key, receive_key = _keys_of_answer(mine, other, options)
    direction = _common_direction(ours.direction_of(mine), _their_direction(theirs, other))
    # An answer of ours to somebody who asked for it may be our offer later, to refresh the session.
    noise_type = _number_of(mine, "cn", codec.clock_rate)
    if noise_type != _number_of(other, "cn", codec.clock_rate):
        noise_type = None
    return AgreedAudio(
        codec.name, codec.clock_rate, int(number), received, address, other.port, _control_port(other), direction,
        _packet_ms(other, options), _event_type(other, codec.clock_rate), _event_type(mine, codec.clock_rate),
        noise_type, send_key, receive_key,
    )  # fmt: skip


def _is_possible(media: Media, options: AudioOptions) -> bool:
    if media.kind != "audio" or media.port == 0:
        return False
    protected = media.protocol in _SECURE
    if not protected and media.protocol not in _PLAIN:
        return False
    if options.srtp == "off":
        return not protected
    return _best_key(media, options) is not None if protected or options.srtp == "required" else True


def _encoding(media: Media, number: str) -> tuple[str, int] | None:
    """Name in lower case and clock rate of a payload type, from its rtpmap or the static table of RFC 3551."""
    for value in media.all("rtpmap"):
        key, _, encoding = value.partition(" ")
        if key == number:
            name, _, rest = encoding.strip().partition("/")
            rate = rest.partition("/")[0].strip()
            return (name.lower(), int(rate)) if rate.isascii() and rate.isdigit() and len(rate) < 10 else None
    return _STATIC.get(number)


def _codecs_of(media: Media, options: AudioOptions) -> list[tuple[str, Codec]]:
    """Payload types whose codecs we know, in the media's order. Raises `NotAcceptableError` where there is none."""
    known = {(CODECS[name].name.lower(), CODECS[name].clock_rate): CODECS[name] for name in options.codecs}
    numbers = [number for number in media.formats if number.isascii() and number.isdigit() and int(number) < 128]
    codecs = [(number, known[encoding]) for number in numbers if (encoding := _encoding(media, number)) in known]
    if not codecs:
        raise NotAcceptableError("no codec in common")
    return codecs


def _codecs_of_answer(mine: Media, other: Media, options: AudioOptions) -> tuple[str, Codec, dict[int, str]]:
    """The payload type and codec to send, which is their first, and the names of those that may come."""
    offered = {codec.name: number for number, codec in _codecs_of(mine, options)}
    answered = _codecs_of(other, options)
    # What was not offered can't come; where that is all they list, they mean it all the same.
    common = [(number, codec) for number, codec in answered if codec.name in offered] or answered
    # What comes has the numbers of our offer, what goes those of the answer.
    return *common[0], {int(offered.get(codec.name, number)): codec.name for number, codec in common}


def _event_type(media: Media, clock_rate: int) -> int | None:
    """The payload type of telephone-event at the codec's clock rate (RFC 4733 section 2.1), or at 8000 Hz."""
    at_codec = _number_of(media, "telephone-event", clock_rate)
    return at_codec if at_codec is not None else _number_of(media, "telephone-event", 8000)


def _number_of(media: Media, name: str, clock_rate: int) -> int | None:
    for number in media.formats:
        is_number = number.isascii() and number.isdigit() and int(number) < 128
        if is_number and _encoding(media, number) == (name, clock_rate):
            return int(number)
    return None


def _keys(media: Media) -> list[SrtpKey]:
    keys = []
    for value in media.all("crypto")[:16]:
        try:
            keys.append(parse_crypto(value))
        except ParseError:
            continue
    return keys


def _best_key(media: Media, options: AudioOptions) -> SrtpKey | None:
    # The offerer lists its keys in its order of preference (RFC 4568 section 5.1.2).
    return next((key for key in _keys(media) if key.suite in options.suites), None)


def _choose_keys(media: Media, options: AudioOptions, kept: Sequence[SrtpKey]) -> tuple[SrtpKey | None, SrtpKey | None]:
    """The key they send with and the one we send with."""
    theirs = _best_key(media, options) if options.srtp != "off" else None
    return (theirs, _own_key(theirs.tag, theirs.suite, kept)) if theirs is not None else (None, None)


def _protection(local: LocalAudio, options: AudioOptions, previous: str | None) -> tuple[str, list[SrtpKey]]:
    """The protocol of an offer and our keys: of the first one as it is wished, later as it was agreed."""
    before = None if previous is None else _audio_of(parse_sdp(previous))
    if before is None:
        suites = () if options.srtp == "off" else options.suites
        protocol = "RTP/SAVP" if options.srtp == "required" else "RTP/AVP"
        return protocol, [new_key(tag, suite) for tag, suite in enumerate(suites, start=1)]
    kept = _keys_kept(previous, local)
    return before.protocol, [_own_key(key.tag, key.suite, kept) for key in _keys(before)]


def _keys_kept(previous: str | None, local: LocalAudio) -> list[SrtpKey]:
    """Our keys so far, which we go on with: the other side need not begin anew with what it knows of our packets. At
    another address or port there must be others (RFC 4568 section 7.1.4).
    """
    if previous is None:
        return []
    session = parse_sdp(previous)
    audio = _audio_of(session)
    if audio is None or (session.address_of(audio), audio.port) != (local.address, local.port):
        return []
    return _keys(audio)


def _audio_of(session: SessionDescription) -> Media | None:
    """The stream of a description of ours."""
    return next((media for media in session.media if media.port and media.kind == "audio"), None)


def _own_key(tag: int, suite: str, kept: Sequence[SrtpKey]) -> SrtpKey:
    return next((replace(key, tag=tag) for key in kept if key.suite == suite), None) or new_key(tag, suite)


def _keys_of_answer(mine: Media, other: Media, options: AudioOptions) -> tuple[SrtpKey | None, SrtpKey | None]:
    """The key we send with and the one they send with."""
    theirs = _best_key(other, options)
    if theirs is not None:
        for key in _keys(mine):
            if key.tag == theirs.tag and key.suite == theirs.suite:
                return key, theirs
    if options.srtp == "required" or mine.protocol in _SECURE:
        raise NotAcceptableError("an answer without the key that was asked for")
    return None, None


def _their_direction(session: SessionDescription, media: Media) -> Direction:
    # An address of zeros is how calls were held before RFC 3264.
    if session.address_of(media) in ("0.0.0.0", "::"):
        return "sendonly" if session.direction_of(media) in ("sendrecv", "sendonly") else "inactive"
    return session.direction_of(media)


def _common_direction(ours: Direction, theirs: Direction) -> Direction:
    """What is left of our wish after theirs, as we see it."""
    wanted = _REVERSED[theirs]
    send = ours in ("sendrecv", "sendonly") and wanted in ("sendrecv", "sendonly")
    receive = ours in ("sendrecv", "recvonly") and wanted in ("sendrecv", "recvonly")
    if send and receive:
        return "sendrecv"
    return "sendonly" if send else "recvonly" if receive else "inactive"


def _packet_ms(media: Media, options: AudioOptions) -> int:
    """What the other side wants to get (`ptime`), and no more than it takes (`maxptime`; RFC 8866 sections 6.3, 6.4).

    Each side asks for itself: how long its own packets are says nothing of ours (RFC 3264 section 6.1).
    """
    wanted = _milliseconds(media, "ptime") or options.packet_ms
    most = _milliseconds(media, "maxptime") or wanted
    return max((length for length in PACKET_MS if length <= min(wanted, most)), default=PACKET_MS[0])


def _milliseconds(media: Media, name: str) -> float | None:
    """RFC 8866 allows fractions; what is no number, or none, is as good as absent."""
    written = media.attribute(name) or ""
    return float(written) or None if _MILLISECONDS.fullmatch(written) else None


def _control_port(media: Media) -> int:
    if media.attribute("rtcp-mux") is not None:
        return media.port
    number = (media.attribute("rtcp") or "").split(" ")[0]
    if number.isascii() and number.isdigit() and len(number) < 6 and 0 < int(number) < 65536:
        return int(number)
    return min(media.port + 1, 65535)


def _add_codec(media: Media, number: str, codec: Codec) -> None:
    media.formats.append(number)
    media.attributes.append(("rtpmap", f"{number} {codec.rtpmap}"))
    if codec.parameters:
        media.attributes.append(("fmtp", f"{number} {codec.parameters}"))


def _add_events(media: Media, number: str, clock_rate: int) -> None:
    media.formats.append(number)
    media.attributes += [("rtpmap", f"{number} telephone-event/{clock_rate}"), ("fmtp", f"{number} 0-16")]


def _finish(audio: Media, local: LocalAudio, options: AudioOptions) -> None:
    audio.attributes += [("ptime", str(options.packet_ms)), (local.direction, None)]


def _rejected(media: Media) -> Media:
    return Media(media.kind, 0, media.protocol, media.formats[:1])


def _next_session(local: LocalAudio, audio: Media, previous: str | None) -> SessionDescription:
    """The session of `previous` one version later, with as many media as it had (RFC 3264 section 8)."""
    if previous is None:
        return SessionDescription(str(secrets.randbits(60)), 1, local.address, local.address, [audio])
    before = parse_sdp(previous)
    first = next((index for index, media in enumerate(before.media) if media.port and media.kind == "audio"), 0)
    media = [_rejected(media) for media in before.media]
    media[first : first + 1] = [audio]
    return SessionDescription(before.session_id, before.version + 1, local.address, local.address, media)
