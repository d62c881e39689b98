"""Other people's telephones talk with assistants: baresip with its voice, sipp with many calls."""

import asyncio
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.sip.peers.programs import finished, program, running
from tests.sip.peers.test_baresip import CONFIG, MODULES
from tests.sip.peers.test_sipp import free_port
from tests.whole.handset import sip_uri
from tests.whole.house import SPEECH, WholeHouse
from tests.whole.test_sip_calls import GREETING, NUMBER, QUESTION, make_number, make_trunk, only_call, telephone_house

CALLS = 20


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


@pytest.mark.parametrize("encryption", ["", ";mediaenc=srtp"])
async def test_baresip_asks_and_is_answered(tmp_path: Path, encryption: str) -> None:
    baresip = program("baresip")
    chat = FakeOpenAIChat([Reply("At eight. Goodbye.", [Call("end_call", "{}")])])
    folder = tmp_path / "baresip"
    folder.mkdir()
    question = folder / "question.wav"
    write_question(question)
    async with telephone_house(tmp_path / "data", chat=chat) as house, WebhookReceiver() as receiver:
        await make_trunk(house)
        llm = {"provider": "openai", "model": "gpt-4.1", "tools": [{"type": "end_call"}]}
        await make_number(house, llm_config=llm, webhook_url=receiver.url)
        config = CONFIG.format(port=free_port(), modules=MODULES)
        config = config.replace("audio_source aubridge,nil", f"audio_source aufile,{question}")
        (folder / "config").write_text(config + f"module aufile.so\nmodule sndfile.so\nsnd_path {folder}\n")
        (folder / "accounts").write_text(f"<sip:+31612345678@127.0.0.1>;regint=0{encryption}\n")
        (folder / "contacts").write_text("")
        command = [baresip, "-f", str(folder), "-e", f"/dial {sip_uri(house, NUMBER)}"]
        async with running(*command, folder=folder):
            await receiver.until(4)  # the last is the report
        record = await only_call(house)
        audio = await recording_of(house, record["recording_url"])
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]
    assert (record["end_reason"], record["caller_phone"]) == ("assistant_hangup", "+31612345678")
    assert (" by SRTP" in record["notes"][0]) == bool(encryption)
    # The voice that came by RTP is the recording's left side: as loud for as long as what baresip played.
    loud = np.abs(audio[:, 0].astype(int)) > 500
    said = np.abs(decode(SPEECH, MULAW_8K).astype(int)) > 500
    assert 0.8 < loud.sum() / said.sum() < 1.2
    [heard] = folder.glob("dump-*-dec.wav")
    with wave.open(str(heard)) as file:
        played = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert (np.abs(played.astype(int)) > 500).sum() / 8000 > 0.5


async def test_sipp_calls_again_and_again(tmp_path: Path) -> None:
    sipp = program("sipp")
    async with telephone_house(tmp_path / "data") as house:
        await make_trunk(house)
        await make_number(house)
        host = sip_uri(house, NUMBER).partition("@")[2].partition(";")[0]
        command = [sipp, host, "-sn", "uac", "-s", NUMBER, "-i", "127.0.0.1", "-nostdin", "-m", str(CALLS), "-r", "10"]
        command += ["-d", "400", "-p", str(free_port()), "-timeout", "40", "-timeout_error"]
        async with running(*command, folder=tmp_path) as process:
            await finished(process)
        live = house.parts.calls.live
        assert live is not None
        if live._running:
            await asyncio.wait(live._running, timeout=20)
        await house.parts.calls.flush()
        async with house.http.get(f"{house.url}/api/v1/calls") as answered:
            calls = (await answered.json())["calls"]
    assert [(call["status"], call["end_reason"]) for call in calls] == [("ended", "user_hangup")] * CALLS
