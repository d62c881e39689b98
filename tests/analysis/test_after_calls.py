"""What is found out after a call: shown by the API, told in the report, priced, retried and, in words, missing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from dialtone.providers.base import Spoken
from tests.analysis.conftest import SAID, SUMMARY, Office, uses_of
from tests.calls.stored_calls import get
from tests.fakes.openai_chat import Reply
from tests.fakes.recorded_speech import FakeRecordedSpeech

SCHEMA = {
    "type": "object",
    "required": ["guests"],
    "properties": {"guests": {"type": "integer", "maximum": 20}, "name": {"type": "string"}},
}
DATA = {"guests": 4, "name": "Zoë"}
PLAN = {"structured_data_plan": {"enabled": True, "schema": SCHEMA}}


def everything_below(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def asked(office: Office, number: int) -> str:
    return "\n".join(message["content"] for message in office.chat.requests[number].body["messages"])


async def test_a_call_is_summarized_and_its_data_found(office: Office) -> None:
    office.replies += [Reply(SUMMARY), Reply(f"```json\n{json.dumps(DATA)}\n```")]
    call_id = await office.call(analysis_plan=PLAN)
    report = await office.report()
    assert (report["summary"], report["analysis"]) == (SUMMARY, DATA)
    assert "analysis_error" not in report
    call = await office.house.get(call_id)
    assert (call["summary"], call["analysis_result"], call["analysis_error"]) == (SUMMARY, DATA, None)
    async with office.house.client() as client:
        [listed] = (await get(client))["calls"]
    assert listed == {**call, "recording_url": listed["recording_url"]}
    assert [request.body["model"] for request in office.chat.requests] == ["gpt-5.4-mini"] * 2
    for number in (0, 1):
        assert "Caller: A table for four tomorrow, my name is Zoë." in asked(office, number)
    assert '"maximum": 20' in asked(office, 1)


async def test_the_summary_is_asked_for_in_the_assistants_language(office: Office) -> None:
    await office.call(stt_config={"provider": "deepgram", "model": "nova-3", "language": "nl"})
    await office.report()
    assert "the language with the tag nl" in asked(office, 0)


async def test_postcall_llm_chooses_the_model(office: Office) -> None:
    await office.call(postcall_llm={"provider": "openai", "model": "gpt-4.1"})
    await office.report()
    assert office.chat.requests[0].body["model"] == "gpt-4.1"


async def test_the_plans_own_prompt_is_filled(office: Office) -> None:
    office.replies += [Reply(SUMMARY), Reply(json.dumps(DATA))]
    content = "{{schema}} | {{transcript}} | {{ended_reason}} | {summary} | {duration} | {caller_number} | {other}"
    plan = {**PLAN["structured_data_plan"], "messages": [{"role": "user", "content": content}]}
    await office.call(analysis_plan={"structured_data_plan": plan})
    await office.report()
    parts = office.chat.requests[1].body["messages"][0]["content"].split(" | ")
    assert json.loads(parts[0]) == SCHEMA
    assert parts[1].startswith("Assistant: Luigi's, good evening.\nCaller: A table")
    assert parts[2:] == ["user_hangup", SUMMARY, "7", "", "{other}"]
    assert len(office.chat.requests[1].body["messages"]) == 2, "nothing is given twice"


@pytest.mark.parametrize(("threshold", "analysed"), [(3, True), (4, False)])
async def test_calls_with_fewer_messages_are_only_summarized(office: Office, threshold: int, analysed: bool) -> None:
    office.replies += [Reply(SUMMARY), Reply(json.dumps(DATA))]
    await office.call(analysis_plan={**PLAN, "min_messages_threshold": threshold})
    report = await office.report()
    assert report["summary"] == SUMMARY
    assert report.get("analysis") == (DATA if analysed else None)
    assert "analysis_error" not in report


async def test_a_call_in_which_nothing_was_said_asks_no_model(office: Office) -> None:
    await office.call(said=[], analysis_plan=PLAN)
    assert (await office.report())["summary"] == ""
    assert office.chat.requests == []


async def test_an_unfit_answer_is_mended_once(office: Office) -> None:
    office.replies += [Reply(SUMMARY), Reply('{"guests": 400}'), Reply(json.dumps(DATA))]
    await office.call(analysis_plan=PLAN)
    assert (await office.report())["analysis"] == DATA
    *_, answer, told = office.chat.requests[2].body["messages"]
    assert answer == {"role": "assistant", "content": '{"guests": 400}'}
    assert "guests" in told["content"]
    assert "20" in told["content"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("Sorry, I can't.", "it is no JSON object"), ('{"guests": "private"}', "guests breaks the rule type")],
)
async def test_an_answer_that_stays_unfit_is_told_without_its_content(office: Office, answer: str, reason: str) -> None:
    office.replies += [Reply(SUMMARY), Reply(answer), Reply(answer)]
    call_id = await office.call(analysis_plan=PLAN)
    report = await office.report()
    assert report["summary"] == SUMMARY
    assert "analysis" not in report
    assert reason in report["analysis_error"]
    assert "private" not in report["analysis_error"]
    assert (await office.house.get(call_id))["analysis_error"] == report["analysis_error"]
    assert len(office.chat.requests) == 3


@pytest.mark.parametrize(
    ("rubric", "result"),
    [
        ("pass_fail", True),
        ("numeric_scale", 9),
        ("percentage", 87.5),
        ("checklist", [{"item": "The day is known", "met": True}]),
    ],
)
async def test_the_success_of_a_call_is_judged(office: Office, rubric: str, result: Any) -> None:
    verdict = {"reason": "The table is booked.", "result": result}
    office.replies += [Reply(SUMMARY), Reply(json.dumps(DATA)), Reply(json.dumps(verdict))]
    success = {"enabled": True, "rubric": rubric, "prompt": "A table is booked."}
    await office.call(analysis_plan={**PLAN, "success_evaluation": success})
    assert (await office.report())["analysis"] == {**DATA, "success_evaluation": {"rubric": rubric, **verdict}}
    assert "A table is booked." in asked(office, 2)


async def test_a_vendor_that_is_away_is_asked_again(office: Office) -> None:
    office.replies += [Reply(status=503), Reply(status=503)]
    await office.call(analysis_plan=PLAN)
    await office.chat.wait_until(lambda: len(office.chat.requests) == 2)
    assert office.receiver.received == []
    office.replies += [Reply(SUMMARY), Reply(json.dumps(DATA))]
    await office.waits_again("after-call")
    office.pass_time(60)
    report = await office.report()
    assert (report["summary"], report["analysis"]) == (SUMMARY, DATA)


async def test_a_vendor_that_stays_away_keeps_no_report_back(office: Office) -> None:
    office.clock.passed += timedelta(minutes=31)
    office.replies += [Reply(status=503)] * 2
    await office.call(analysis_plan=PLAN)
    report = await office.report()
    assert report["summary"] == ""
    assert "HTTP 503" in report["analysis_error"]


async def test_a_refused_key_is_told_at_once(office: Office) -> None:
    office.replies.append(Reply(status=401))
    call_id = await office.call(analysis_plan=PLAN)
    assert "key was refused" in (await office.report())["analysis_error"]
    assert "key was refused" in (await office.house.get(call_id))["analysis_error"]


async def test_in_gdpr_mode_the_findings_go_out_and_nothing_stays(office: Office) -> None:
    office.replies += [Reply("Rumpelstiltskin called."), Reply('{"guests": 4, "name": "Rumpelstiltskin"}')]
    call_id = await office.call(said=[*SAID, ("user", "I am Rumpelstiltskin.")], analysis_plan=PLAN, gdpr_mode=True)
    report = await office.report()
    assert (report["summary"], report["analysis"]["name"]) == ("Rumpelstiltskin called.", "Rumpelstiltskin")
    call = await office.house.get(call_id)
    assert (call["summary"], call["analysis_result"], call["messages"]) == (None, None, [])
    assert call["costs"] != []
    if office.house.database.is_sqlite:
        kept = await asyncio.to_thread(everything_below, office.house.settings.data_dir)
        assert kept
        assert b"Rumpelstiltskin" not in kept


async def test_without_a_model_the_callers_own_words_stand_for_a_summary(office: Office) -> None:
    await office.call(llm_config={"provider": "local", "model": "demo"}, analysis_plan=PLAN)
    report = await office.report()
    assert "“A table for four tomorrow, my name is Zoë.”" in report["summary"]
    assert "no language model" in report["summary"]
    assert "set postcall_llm" in report["analysis_error"]


async def test_what_a_call_used_is_priced(office: Office) -> None:
    call_id, call, _ = await office.house.begin(assistant_id=await office.assistant())
    call.journal.message("user", "Hello.")
    call.journal.ended(uses_of(call.plan, 60))
    await office.report()
    shown = await office.house.get(call_id)
    costs = {one["role"]: one for one in shown["costs"]}
    assert {role: one["cost"] for role, one in costs.items()} == {
        "stt": 0.0048,
        "llm": 0.012,
        "tts": None,
        "postcall_llm": 0.00004,  # the fake model reports 11 tokens in and 7 out
    }
    assert (costs["stt"]["audio_seconds"], costs["llm"]["input_tokens"], costs["tts"]["characters"]) == (
        60,
        10_000,
        400,
    )
    assert {one["currency"] for one in costs.values()} == {"USD"}
    async with office.house.client() as client:
        usage = await get(client, "/api/v1/usage")
    assert usage["logs"][0]["cost"] == usage["summary"]["total_cost"] == 0.01684
    assert usage["summary"]["currency"] == "USD"


async def test_what_ran_on_own_keys_is_shown_and_costs_the_deployment_nothing(office: Office) -> None:
    async with office.house.client() as client:
        answer = await client.post("/api/v1/byok", json={"provider": "deepgram", "api_key": "dg-own"})
        assert answer.status_code == 200
        call_id, call, _ = await office.house.begin(
            assistant_id=await office.assistant(
                stt_config={"provider": "deepgram", "model": "nova-3", "language": "en"}
            )
        )
        call.journal.ended(uses_of(call.plan, 60))
        await office.report()
        costs = {one["role"]: one for one in (await office.house.get(call_id))["costs"]}
        usage = await get(client, "/api/v1/usage")
    assert (costs["stt"]["own_key"], costs["stt"]["cost"]) == (True, 0.0048)
    assert not costs["llm"]["own_key"]
    assert usage["summary"]["total_cost"] == 0.012


class TestRealtime:
    @pytest.fixture
    async def ears(self) -> AsyncIterator[FakeRecordedSpeech]:
        async with FakeRecordedSpeech([Spoken(1, 0.2, "Good evening."), Spoken(0, 2.0, "A table for four.")]) as fake:
            yield fake

    @pytest.fixture
    def more_settings(self, ears: FakeRecordedSpeech) -> dict[str, Any]:
        return {"deepgram_base_url": ears.url, "deepgram_api_key": SecretStr("dg-of-the-deployment")}

    async def _call(self, office: Office, *, recorded: bool = True) -> str:
        assistant_id = await office.assistant(
            llm_config={"provider": "openai_live", "model": "gpt-live-1"},
            postcall_stt={"provider": "deepgram", "model": "nova-3", "language": "multi"},
            postcall_llm={"provider": "openai", "model": "gpt-4.1-mini"},
        )
        call_id, call, _ = await office.house.begin(assistant_id=assistant_id)
        if recorded:
            path = call.plan.recording_path
            assert path is not None
            await asyncio.to_thread(path.parent.mkdir, parents=True)
            await asyncio.to_thread(path.write_bytes, b"RIFF, as far as the fake cares")
        call.journal.message("user", "A cable for floor.")
        call.end("user_hangup")
        return call_id

    async def test_the_recording_is_transcribed_anew(self, office: Office, ears: FakeRecordedSpeech) -> None:
        call_id = await self._call(office)
        report = await office.report()
        said = [{"role": "assistant", "content": "Good evening."}, {"role": "user", "content": "A table for four."}]
        assert report["messages"] == said
        assert "Caller: A table for four." in asked(office, 0)
        call = await office.house.get(call_id)
        assert call["messages"] == said
        [stt] = [one for one in call["costs"] if one["role"] == "postcall_stt"]
        assert (stt["provider"], stt["model"], stt["audio_seconds"]) == ("deepgram", "nova-3", 14)
        assert len(ears.uploads) == 1

    async def test_without_its_recording_a_call_is_reported_as_it_was_taken_down(self, office: Office) -> None:
        await self._call(office, recorded=False)
        report = await office.report()
        assert report["messages"] == [{"role": "user", "content": "A cable for floor."}]
        assert report["summary"] == SUMMARY
        assert "the recording can't be read" in report["analysis_error"]


class TestRecordingsOfReports:
    @pytest.fixture
    def more_settings(self) -> dict[str, Any]:
        return {"public_url": "https://voice.example.com", "report_recording_url_seconds": 5 * 86400}

    async def test_their_addresses_work_for_as_long_as_reports_are_tried(self, office: Office) -> None:
        call_id, call, _ = await office.house.begin(assistant_id=await office.assistant())
        path = call.plan.recording_path
        assert path is not None
        await asyncio.to_thread(path.parent.mkdir, parents=True)
        await asyncio.to_thread(path.write_bytes, b"RIFF")
        call.end("user_hangup")
        url = urlsplit((await office.report())["recording_url"])
        assert (url.netloc, url.path) == ("voice.example.com", f"/api/v1/calls/{call_id}/recording")
        assert 0 <= time.time() + 5 * 86400 - int(parse_qs(url.query)["expires"][0]) < 60
        async with office.house.client("none") as client:
            assert (await client.get(f"{url.path}?{url.query}")).content == b"RIFF"
