"""From what two ends agreed on by SDP to the audio of a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from dialtone.media.rtp import codecs, srtp
from dialtone.media.rtp.parameters import RtpParameters, SrtpKeys
from dialtone.sip.crypto_attribute import SrtpKey as SdpKey
from dialtone.sip.errors import SipError
from dialtone.sip.offer_answer import AgreedAudio, AudioOptions, LocalAudio, SrtpPolicy, answer_offer, apply_answer
from dialtone.sip.offer_answer import make_offer as make_sdp_offer

PREFERENCE = ("PCMU", "PCMA", "G722", "opus")
"""The vendors take mu-law as it is, so it goes straight through; A-law costs a table, the others a coder."""
NARROWBAND = ("PCMU", "PCMA")
"""Both are mu-law on the line."""


class NoCommonAudioError(Exception):
    """The two ends have no codec, no encryption or no address in common that audio could flow by."""


def audio_options(encryption: SrtpPolicy) -> AudioOptions:
    """What this machine can do. `encryption` counts only where SRTP is installed."""
    installed = codecs.available()
    policy: SrtpPolicy = encryption if srtp.is_available() else "off"
    return AudioOptions(tuple(name for name in PREFERENCE if name in installed), policy, suites=srtp.SUITES)


@dataclass(slots=True)
class Negotiation:
    """One end of a call's offers and answers: what we described last, and what came of it."""

    local: LocalAudio
    options: AudioOptions
    peer: str
    """IP address that SIP comes from."""
    description: str | None = None
    """Our last one."""

    def offer(self) -> str:
        """Our offer, the first or another one."""
        self.description = make_sdp_offer(self.local, self.options, self.description)
        return self.description

    def answer(self, offer: str) -> tuple[str, RtpParameters]:
        """Our answer, which counts only once it is `kept`. Raises `NoCommonAudioError`."""
        try:
            description, agreed = answer_offer(offer, self.local, self.options, self.description)
            return description, self._parameters(agreed)
        except (SipError, ValueError) as error:
            raise NoCommonAudioError(str(error)) from None

    def keep(self, description: str) -> None:
        """Our answer went out."""
        self.description = description

    def answered(self, answer: str | None) -> RtpParameters:
        """What the answer to our last offer agrees on. Raises `NoCommonAudioError`."""
        if self.description is None or answer is None:
            raise NoCommonAudioError("there was no answer to our offer of audio")
        try:
            return self._parameters(apply_answer(self.description, answer, self.options))
        except (SipError, ValueError) as error:
            raise NoCommonAudioError(str(error)) from None

    def narrow(self, codec: str) -> None:
        """From now on only what keeps the format of a line that began with `codec`."""
        chosen = tuple(name for name in self.options.codecs if name in _same_format(codec))
        self.options = AudioOptions(chosen, self.options.srtp, self.options.packet_ms, self.options.suites)

    def _parameters(self, agreed: AgreedAudio) -> RtpParameters:
        """Raises `ValueError` for an address or a key that can't be used."""
        shared = agreed.remote_control_port == agreed.remote_port
        return RtpParameters(
            remote=(agreed.remote_address, agreed.remote_port),
            codec=agreed.codec,
            payload_type=agreed.send_payload_type,
            received={
                number: name
                for number, name in agreed.receive_payload_types.items()
                if name in _same_format(agreed.codec)
            },
            # Who knows no telephone-event sends tones, whatever number we offered it under.
            received_event=None if agreed.send_event_type is None else agreed.receive_event_type,
            sent_event=agreed.send_event_type,
            packet_ms=agreed.packet_ms,
            comfort_noise=agreed.comfort_noise_type,
            remote_rtcp=None if shared else (agreed.remote_address, agreed.remote_control_port),
            rtcp_mux=shared,
            srtp=_keys(agreed),
            signalling_host=self.peer,
            sends=agreed.direction in ("sendrecv", "sendonly"),
            receives=agreed.direction in ("sendrecv", "recvonly"),
        )


def _same_format(codec: str) -> Sequence[str]:
    """Codecs that are the same audio on a line."""
    return NARROWBAND if codec in NARROWBAND else (codec,)


def _keys(agreed: AgreedAudio) -> SrtpKeys | None:
    if agreed.send_key is None or agreed.receive_key is None:
        return None
    return SrtpKeys(_key(agreed.send_key), _key(agreed.receive_key))


def _key(key: SdpKey) -> srtp.SrtpKey:
    suite = next((suite for suite in srtp.SUITES if suite == key.suite), None)
    if suite is None:
        raise ValueError("an encryption that can't be used")
    return srtp.SrtpKey(suite, key.key)
