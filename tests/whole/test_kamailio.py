"""Assistants behind Kamailio, run with the configuration of docs/kamailio.md; a telephone is logged in there."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.sip.peers.baresip import Baresip, baresip
from tests.sip.peers.kamailio import DIALTONE_PASSWORD, TELEPHONE_NUMBER, kamailio, telephone_account
from tests.whole.house import SPEECH, WholeHouse
from tests.whole.test_sip_calls import (
    GREETING,
    NUMBER,
    QUESTION,
    make_number,
    make_trunk,
    only_call,
    place,
    telephone_house,
)
from tests.whole.test_sip_programs import recording_of, write_question

ANSWER = "At eight. Goodbye."
PIECE = 2400
ALIKE = 0.8
LOUD = 1000

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


async def call_in(house: WholeHouse, phone: Baresip) -> None:
    phone.tell("dial", f"sip:{NUMBER}@sip.example.com")


async def call_out(house: WholeHouse, phone: Baresip) -> None:
    await place(house)


@pytest.mark.parametrize("calls", [call_in, call_out])
async def test_a_telephone_at_kamailio_asks_and_is_answered(
    tmp_path: Path, calls: Callable[[WholeHouse, Baresip], Awaitable[None]]
) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER, [Call("end_call", "{}")])])
    write_question(tmp_path / "question.wav")
    async with telephone_house(tmp_path / "data", chat=chat) as house, WebhookReceiver() as receiver:
        port = next(address[1] for kind, address in house.parts.telephony.listening_on() if kind == "udp")
        async with (
            kamailio(tmp_path / "kamailio", port) as proxy,
            baresip(
                tmp_path / "bob",
                telephone_account(proxy),
                user=TELEPHONE_NUMBER,
                domain="sip.example.com",
                voice=tmp_path / "question.wav",
            ) as phone,
        ):
            login = {"auth_username": "dialtone", "auth_password": DIALTONE_PASSWORD}
            await make_trunk(house, f"127.0.0.1:{proxy}", **login)
            llm = {"provider": "openai", "model": "gpt-4.1", "tools": [{"type": "end_call"}]}
            await make_number(house, llm_config=llm, webhook_url=receiver.url)
            await phone.until_registered()
            await calls(house, phone)
            await phone.expect("CALL_CLOSED")
            record = await only_call(house)
            audio = await recording_of(house, record["recording_url"])
            heard = phone.loud_seconds()
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]
    assert record["end_reason"] == "assistant_hangup"
    assert record["caller_phone" if calls is call_in else "assistant_phone"] in (TELEPHONE_NUMBER, NUMBER)
    assert share_heard(audio[:, 0], decode(SPEECH, MULAW_8K)) > 0.5
    assert heard > 1.0


def share_heard(heard: Samples, said: Samples) -> float:
    """How much of what was said was heard, whenever: piece by piece, since a jitter buffer may shift them."""
    pieces = [said[at : at + PIECE] for at in range(0, len(said) - PIECE, PIECE)]
    spoken = [piece.astype(float) for piece in pieces if np.abs(piece).max() > LOUD]
    return sum(likeness(heard.astype(float), piece) > ALIKE for piece in spoken) / len(spoken)


def likeness(heard: Floats, piece: Floats) -> float:
    """Of the place that is most like the piece: 1 is the same, other speech is below a half."""
    size = 1 << (len(heard) + len(piece)).bit_length()
    fits = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)
    sums = np.concatenate([[0.0], np.cumsum(heard**2)])
    energy = sums[len(piece) :] - sums[: -len(piece)]
    return float((fits[: len(energy)] / np.sqrt(energy * (piece**2).sum() + 1)).max())
