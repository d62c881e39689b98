"""Other people's telephones talk with assistants: baresip with its voice, sipp with many calls."""

import asyncio
import io
import wave
from pathlib import Path

import numpy as np

from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.sip.peers.baresip import baresip
from tests.sip.peers.programs import finished, program, running
from tests.sip.peers.test_sipp import free_port
from tests.whole.handset import sip_uri
from tests.whole.house import SPEECH, WholeHouse
from tests.whole.test_sip_calls import (
    CALLER,
    GREETING,
    NUMBER,
    QUESTION,
    make_number,
    make_trunk,
    only_call,
    telephone_house,
)

CALLS = 20
LOUD = 500


def write_question(path: Path) -> None:
    """Three seconds of silence, the recorded sentence, and silence until the assistant has answered."""
    samples = decode(b"\xff" * 24_000 + SPEECH + b"\xff" * 80_000, MULAW_8K)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())


async def recording_of(house: WholeHouse, url: str) -> np.ndarray:
    """Caller left, assistant right."""
    async with house.http.get(url, headers={"Authorization": ""}) as answer:
        with wave.open(io.BytesIO(await answer.read())) as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


async def test_baresip_asks_and_is_answered_with_srtp(tmp_path: Path) -> None:
    """Without it the same is asked through Kamailio."""
    chat = FakeOpenAIChat([Reply("At eight. Goodbye.", [Call("end_call", "{}")])])
    question = tmp_path / "question.wav"
    write_question(question)
    account = ";regint=0;mediaenc=srtp"
    async with (
        telephone_house(tmp_path / "data", chat=chat) as house,
        baresip(tmp_path / "bob", account, user=CALLER, domain="127.0.0.1", voice=question) as phone,
    ):
        await make_trunk(house)
        llm = {"provider": "openai", "model": "gpt-4.1", "tools": [{"type": "end_call"}]}
        await make_number(house, llm_config=llm)
        phone.tell("dial", sip_uri(house, NUMBER))
        await phone.expect("CALL_CLOSED")
        record = await only_call(house)
        audio = await recording_of(house, record["recording_url"])
        heard = phone.loud_seconds()
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]
    assert (record["end_reason"], record["caller_phone"]) == ("assistant_hangup", CALLER)
    assert " by SRTP" in record["notes"][0]
    # The voice that came by RTP is the recording's left side: as loud for as long as what baresip played.
    loud = np.abs(audio[:, 0].astype(int)) > LOUD
    said = np.abs(decode(SPEECH, MULAW_8K).astype(int)) > LOUD
    assert 0.8 < loud.sum() / said.sum() < 1.2
    assert heard > 0.5


async def test_sipp_calls_again_and_again_and_echoes(tmp_path: Path) -> None:
    """What each call's caller side holds is the greeting, which sipp gave back."""
    sipp, media = program("sipp"), free_port()
    async with telephone_house(tmp_path / "data") as house:
        await make_trunk(house)
        await make_number(house)
        host = sip_uri(house, NUMBER).partition("@")[2].partition(";")[0]
        command = [sipp, host, "-sn", "uac", "-s", NUMBER, "-i", "127.0.0.1", "-nostdin", "-m", str(CALLS), "-r", "10"]
        command += ["-d", "700", "-p", str(free_port()), "-mp", str(media // 2 * 2), "-rtp_echo"]
        async with running(*command, "-timeout", "40", "-timeout_error", folder=tmp_path) as process:
            await finished(process)
        live = house.parts.calls.live
        assert live is not None
        if live._running:
            await asyncio.wait(live._running, timeout=20)
        await house.parts.calls.flush()
        async with house.http.get(f"{house.url}/api/v1/calls") as answered:
            calls = (await answered.json())["calls"]
        records = [await house.record(call["id"]) for call in calls]
        sides = [await recording_of(house, record["recording_url"]) for record in records]
    assert [(call["status"], call["end_reason"]) for call in calls] == [("ended", "user_hangup")] * CALLS
    for samples in sides:
        caller, assistant = ((np.abs(samples[:, side].astype(int)) > LOUD).sum() / 8000 for side in (0, 1))
        assert assistant > 0.2
        assert caller > 0.1
