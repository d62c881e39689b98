"""Vendors that are connected while the telephone still rings, in virtual time."""

import asyncio
from typing import Any

import pytest

from dialtone.conversation.preparation import Preparation
from dialtone.conversation.shared import Shared
from dialtone.conversation.vendors import CallVendors, VendorChoice
from dialtone.media.audio import PCM_16K
from dialtone.media.clock import MediaClock
from dialtone.providers.base import ProviderError
from tests.conversation.stage import Says, Stage
from tests.conversation.virtual_time import run

GREETING = "Hello, this is Ada."
CONSENT = "Press 1 to agree to a recording."


def slow(stage: Stage) -> Stage:
    stage.voice.open_seconds = 0.3
    return stage


@pytest.mark.parametrize(("rings", "least", "most"), [(None, 0.38, 0.5), (0.2, 0.18, 0.3), (2.0, 0.0, 0.021)])
def test_the_greeting_begins_when_the_call_does(rings: float | None, least: float, most: float) -> None:
    stage = slow(Stage(Says(3.0, 4.0, "book a table please"), first_message=GREETING, hang_up_at=8))
    stage.rings = rings
    notes = stage.play()
    assert least <= notes.frames[0] <= most
    assert notes.said == [GREETING, "All right."]
    assert notes.heard == ["book a table please"]
    assert (stage.voice.opened, stage.ears.opened) == (1, 1)
    assert stage.voice.spoken.count(GREETING) == 1
    assert stage.freed_without_collector


def test_until_the_caller_agrees_only_the_question_is_made() -> None:
    stage = slow(Stage(first_message=GREETING, consent_message=CONSENT, direction="inbound", hang_up_at=6))
    stage.rings = 2.0
    notes = stage.play()
    assert notes.frames[0] <= 0.021
    assert stage.voice.spoken == [CONSENT]
    assert (stage.ears.opened, stage.model.asked, notes.messages) == (0, [], [])


def test_after_the_question_comes_the_greeting() -> None:
    stage = slow(Stage(first_message=GREETING, consent_message=CONSENT, direction="inbound", hang_up_at=8))
    stage.rings = 2.0
    stage.at.append((3.0, lambda call: call.on_dtmf("1")))
    notes = stage.play()
    assert notes.said == [GREETING]
    assert stage.voice.spoken == [CONSENT, GREETING]


def test_what_failed_while_it_rang_is_tried_again_in_the_call() -> None:
    stage = Stage(Says(3.0, 4.0, "book a table please"), first_message=GREETING, hang_up_at=8)
    stage.rings = 3.0
    stage.voice.failures = [ProviderError("voice", "no connection") for _ in range(6)]
    stage.ears.failures = [ProviderError("ears", "no connection")]
    notes = stage.play()
    assert notes.said == [GREETING, "All right."]
    assert notes.endings[0].end_reason == "user_hangup"


def test_a_transcriber_that_was_lost_while_it_rang_is_connected_anew() -> None:
    stage = Stage(Says(3.0, 4.0, "book a table please"), first_message=GREETING, hang_up_at=8)
    stage.rings = 5.0
    open_ears = stage.ears.open

    async def lose(*arguments: Any) -> Any:
        stream = await open_ears(*arguments)
        if stage.ears.opened == 1:
            asyncio.get_running_loop().call_later(1.0, arguments[2], ProviderError("ears", "idle for too long"))
        return stream

    stage.ears.open = lose  # type: ignore[method-assign]
    notes = stage.play()
    assert stage.ears.opened == 2
    assert notes.heard == ["book a table please"]
    assert notes.notes == []


def prepared_for(stage: Stage, **settings: Any) -> Preparation:
    shared = Shared(MediaClock(), stage.detector, stage.recordings, stage.cache, stage.ambience)
    choice = VendorChoice(
        lambda: CallVendors(stage.ears, stage.model, stage.voice), lambda: stage.spare, lambda: stage.voice
    )
    return Preparation(stage.plan, choice, settings.get("audio", stage.notes.audio), shared, stage.notes.note)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 1.0, 30.0])
def test_a_call_that_nobody_answers_leaves_nothing_open_and_tells_what_it_used(seconds: float) -> None:
    stage = Stage(first_message=GREETING)
    closed: list[bool] = []
    open_ears = stage.ears.open

    async def opened(*arguments: Any) -> Any:
        stream = await open_ears(*arguments)
        streams.append(stream)
        return stream

    streams: list[Any] = []
    stage.ears.open = opened  # type: ignore[method-assign]

    async def unanswered() -> None:
        before = asyncio.all_tasks()
        prepared = prepared_for(stage)
        prepared.begin()
        await asyncio.sleep(seconds)
        await prepared.close()
        await prepared.close()
        assert asyncio.all_tasks() == before
        closed.extend(stream._closed for stream in streams)
        characters = sum(use.characters for use in prepared.uses() if use.characters)
        assert characters == sum(map(len, stage.voice.spoken))
        assert {use.role for use in prepared.uses()} <= {"tts"}

    run(unanswered())
    assert stage.voice.sessions == 0
    assert all(closed)
    assert bool(stage.voice.spoken) is (seconds >= 0.1)


def test_whoever_waits_for_the_first_words_is_told_also_where_there_will_be_none() -> None:
    async def waited(stage: Stage) -> float:
        prepared = prepared_for(stage)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        prepared.begin()
        await prepared.ready()
        seconds = loop.time() - begun
        await prepared.close()
        return seconds

    assert run(waited(slow(Stage(first_message=GREETING)))) == pytest.approx(0.4, abs=0.01)
    assert run(waited(Stage())) == 0
    broken = Stage(first_message=GREETING)
    broken.voice.failures = [ProviderError("voice", "refused", retryable=False) for _ in range(2)]
    assert run(waited(broken)) < 0.2


def test_a_preparation_for_another_format_keeps_count() -> None:
    async def both() -> None:
        stage = Stage(first_message=GREETING)
        former = prepared_for(stage, audio=PCM_16K)
        former.begin()
        await asyncio.sleep(1.0)
        fitting = Preparation(
            stage.plan, former.choice, stage.notes.audio, former._shared, stage.notes.note, former.meter
        )
        fitting.begin()
        await asyncio.sleep(1.0)
        await former.close()
        await fitting.close()
        [use] = fitting.uses()
        assert use.characters == 2 * len(GREETING)

    run(both())
