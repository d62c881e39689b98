"""Assistants behind Kamailio, run with the configuration of docs/kamailio.md; a telephone is logged in there."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

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
ALIKE = 0.5
"""Other audio is less than 0.1 alike; a machine that is busy loses some."""


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
    assert likeness(audio[:, 0], decode(SPEECH, MULAW_8K)) > ALIKE
    assert heard > 1.0


def likeness(heard: np.ndarray, said: np.ndarray) -> float:
    """How much of what was said is in what was heard, where it fits best: 1 is all of it, unchanged."""
    size = 1 << (len(heard) + len(said)).bit_length()
    fits = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said.astype(float), size)), size)
    at = int(np.argmax(fits[: len(heard)]))
    part = heard[at : at + len(said)].astype(float)
    return float(fits[at] / np.sqrt((part**2).sum() * (said.astype(float) ** 2).sum() + 1))
