"""Who takes an inbound call: the number's assistant, or what the customer's server says while it rings."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from dialtone.calls.inbound import Acceptance, Rejection
from dialtone.organizations.organization_commands import change_balance
from dialtone.platform.forwarding import Forwarding
from dialtone.settings import Settings
from dialtone.trunks.channels import NoChannelError
from tests.calls.conftest import TRANSIENT, House, open_house
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.platform_http.servers import http_server

CALLED, CALLER, SECRET = "+31201234567", "+31612345678", "whsec of inbound calls"


@dataclass
class Switchboard:
    house: House
    receiver: WebhookReceiver

    def answer(self, document: Any, status: int = 200) -> None:
        self.receiver.answer = lambda _received: web.json_response(document, status=status)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self.house.client() as client:
            answer = await client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = next(iter(answer.json().values()))
        return created

    async def number(self, **assistant: Any) -> str:
        """A number with an assistant, whose id is returned."""
        body = {"name": "Saved", "webhook_url": self.receiver.url, "webhook_secret": SECRET, **assistant}
        assistant_id = str((await self.post("assistants", body))["id"])
        await self.post("numbers", {"phone_number": CALLED, "assistant_id": assistant_id, "name": "Front desk"})
        return assistant_id

    async def number_alone(self) -> None:
        """A number without an assistant, in an account with a webhook."""
        await self.post("numbers", {"phone_number": CALLED})
        async with self.house.client() as client:
            body = {"webhook_url": self.receiver.url, "webhook_secret": SECRET}
            assert (await client.patch("/api/v1/organizations", json=body)).status_code == 200

    async def decide(
        self, called: str = CALLED, forwarded_from: tuple[Forwarding, ...] = ()
    ) -> Acceptance | Rejection | None:
        number = await self.house.app.state.parts.numbers.for_inbound(called)
        return None if number is None else await self.house.room.inbound.decide(number, CALLER, forwarded_from)

    async def accepted(self) -> Acceptance:
        decision = await self.decide()
        assert isinstance(decision, Acceptance), decision
        return decision


@pytest.fixture
async def board(settings: Settings) -> AsyncIterator[Switchboard]:
    """On both databases."""
    async with (
        WebhookReceiver() as receiver,
        open_house(settings.model_copy(update={"allow_private_addresses": True})) as house,
    ):
        yield Switchboard(house, receiver)


async def test_the_request_is_the_contracts(board: Switchboard) -> None:
    await board.number()
    decision = await board.accepted()
    (request,) = board.receiver.received
    assert request.is_signed_with(SECRET)
    assert request.event == request.message["type"] == "assistant-request"
    assert request.message["call"] == {
        "id": decision.call.call_id,
        "type": "inbound_phone_call",
        "status": "ringing",
    }
    assert request.message["phone_number"] == {
        "id": decision.number.id,
        "number": CALLED,
        "name": "Front desk",
    }
    assert request.message["customer"] == {"number": CALLER}
    assert "assistant" not in request.message


async def test_who_sent_the_call_on_is_told_and_kept(board: Switchboard) -> None:
    first: Forwarding = {"number": "+31207654321", "reason": "no-answer"}
    second: Forwarding = {"number": None, "reason": "unconditional"}
    await board.number()
    decision = await board.decide(forwarded_from=(first, second))
    assert isinstance(decision, Acceptance)
    (request,) = board.receiver.received
    assert request.message["call"]["forwarded_from"] == [first, second]
    await board.house.room.calls.create_inbound_call(decision.call, decision.number, ())
    assert (await board.house.get(decision.call.call_id))["forwarded_from"] == [first, second]


async def test_calls_that_come_together_do_not_suffer_for_those_without_a_channel(board: Switchboard) -> None:
    await board.number()
    trunk = await board.post(
        "sip-trunks", {"name": "Small", "provider": "custom", "address": "192.0.2.1", "max_channels": 2}
    )
    room, accepted = board.house.room, [await board.accepted() for _ in range(5)]
    written = await asyncio.gather(
        *(
            room.calls.create_inbound_call(
                each.call, each.number, (), (room.channels.take, (trunk["org_id"], trunk["id"], each.call.call_id))
            )
            for each in accepted
        ),
        return_exceptions=True,
    )
    refused = [problem for problem in written if problem is not None]
    assert (len(refused), {type(problem) for problem in refused}) == (3, {NoChannelError})
    async with board.house.client() as client:
        listed = {call["id"] for call in (await client.get("/api/v1/calls")).json()["calls"]}
    on_record = zip(accepted, written, strict=True)
    assert listed == {each.call.call_id for each, problem in on_record if problem is None}


async def test_an_empty_answer_means_the_saved_assistant(board: Switchboard) -> None:
    assistant_id = await board.number(first_message="Saved.")
    decision = await board.accepted()
    assert (decision.call.assistant.id, decision.call.assistant.first_message) == (assistant_id, "Saved.")
    assert (decision.notes, decision.call.variables) == ((), {})
    context = decision.call.context
    assert (context.call_type, context.webhook_url, context.webhook_secret) == (
        "inbound_phone_call",
        board.receiver.url,
        SECRET,
    )
    assert (context.phone_number_id, context.phone_number, context.customer_number) == (
        decision.number.id,
        CALLED,
        CALLER,
    )


async def test_an_inline_assistant_lies_over_the_saved_one_and_what_is_unknown_comes_back(board: Switchboard) -> None:
    await board.number(first_message="Saved.", voicemail_message="Kept.")
    inline = {"first_message": "Hello {{name}}.", "metadata": {"tier": 2}, "my_reference": "R-7"}
    board.answer({"assistant": inline, "variables": {"name": "Zoë"}})
    decision = await board.accepted()
    assistant = decision.call.assistant
    assert (assistant.first_message, assistant.voicemail_message) == ("Hello {{name}}.", "Kept.")
    assert decision.call.variables == {"name": "Zoë"}
    shown = decision.call.context.assistant
    assert shown is not None
    assert (shown["metadata"], shown["my_reference"], shown["first_message"]) == (
        {"tier": 2},
        "R-7",
        "Hello {{name}}.",
    )


async def test_an_override_replaces_whole_blocks_of_another_assistant(board: Switchboard) -> None:
    await board.number()
    body = {"name": "Other", **{key: value for key, value in TRANSIENT.items() if key != "name"}}
    other = await board.post("assistants", body)
    voice = {"provider": "elevenlabs", "voice_id": "another"}
    board.answer({"assistant_id": other["id"], "assistant_override": {"tts_config": voice}})
    assistant = (await board.accepted()).call.assistant
    assert (assistant.id, assistant.name) == (other["id"], "Other")
    assert assistant.public["tts_config"]["voice_id"] == "another"


async def test_a_duration_alone_is_taken(board: Switchboard) -> None:
    assistant_id = await board.number(max_duration_seconds=60)
    board.answer({"max_duration_seconds": 300})
    assistant = (await board.accepted()).call.assistant
    assert (assistant.id, assistant.max_duration_seconds) == (assistant_id, 300)


async def test_an_error_rejects_the_call_with_its_words(board: Switchboard) -> None:
    await board.number()
    board.answer({"error": "We are closed." + "!" * 2000})
    decision = await board.decide()
    assert isinstance(decision, Rejection)
    assert decision.words is not None
    assert decision.words.startswith("We are closed.")
    assert (len(decision.words), decision.end_reason) == (1000, "rejected")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b""), "it answered with status 500"),
        ((302, b""), "it answered with status 302"),
        ((200, b"nonsense"), "its answer is not valid JSON"),
        ((200, b"[]"), "its answer is not a JSON object"),
        ((200, b'{"assistant": {"first_message": "\\ud800"}}'), "its answer is not valid JSON"),
        ((200, b'"' + b"x" * 300_000 + b'"'), "answered with more than 262144 bytes"),
        ((200, b'{"assistant": 7}'), "assistant: must be an object (got 7)"),
        ((200, b'{"max_duration_seconds": 1}'), "must be between 10 and 14400 (got 1)"),
        ((200, b'{"assistant_id": "nobody"}'), "assistant_id: must be the id of one of your assistants"),
        ((200, b'{"assistant": {"llm_config": {"provider": "none"}}}'), "llm_config.provider"),
        ((200, b'{"variables": {"a b": "c"}}'), "variables"),
    ],
)
async def test_an_answer_that_cannot_be_used_leaves_the_saved_assistant(
    board: Switchboard, answer: tuple[int, bytes], words: str
) -> None:
    assistant_id = await board.number()
    status, body = answer
    board.receiver.answer = lambda _received: web.Response(status=status, body=body)
    decision = await board.accepted()
    assert decision.call.assistant.id == assistant_id
    (note,) = decision.notes
    assert note.startswith("The assistant-request was not heeded: ")
    assert words in note
    assert len(board.receiver.received) == 1


async def test_a_server_that_does_not_answer_in_time_leaves_the_saved_assistant(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtone.webhooks.asking.TIMEOUT_SECONDS", 0.2)
    assistant_id = await board.number()

    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with http_server(never) as silent:
        async with board.house.client() as client:
            path = f"/api/v1/assistants/{assistant_id}"
            assert (await client.patch(path, json={"webhook_url": f"http://{silent}/"})).status_code == 200
        decision = await board.accepted()
    assert decision.call.assistant.id == assistant_id
    assert "no complete answer within 0.2 s" in decision.notes[0]


async def test_an_assistant_that_does_not_want_the_event_is_not_asked_for(board: Switchboard) -> None:
    await board.number(webhook_events=["status-update"])
    board.answer({"error": "never heard"})
    await board.accepted()
    assert board.receiver.received == []


async def test_the_accounts_webhook_decides_for_a_number_without_an_assistant(board: Switchboard) -> None:
    await board.number_alone()
    board.answer({"assistant": {**TRANSIENT, "first_message": "From the account."}})
    decision = await board.accepted()
    assert (decision.call.assistant.id, decision.call.assistant.first_message) == (None, "From the account.")
    assert board.receiver.received[0].is_signed_with(SECRET)


@pytest.mark.parametrize("reply", [{}, {"assistant": {"first_message": "partial"}}, {"max_duration_seconds": 60}])
async def test_without_any_assistant_nothing_is_configured(board: Switchboard, reply: dict[str, Any]) -> None:
    await board.number_alone()
    board.answer(reply)
    assert await board.decide() is None


async def test_unknown_and_inactive_numbers_are_nobodys(board: Switchboard) -> None:
    await board.number()
    assert await board.decide("+31209999999") is None
    assert await board.decide("nonsense") is None
    async with board.house.client() as client:
        (number,) = (await client.get("/api/v1/numbers")).json()["numbers"]
        await client.patch(f"/api/v1/numbers/{number['id']}", json={"is_active": False})
    assert await board.decide() is None
    assert board.receiver.received == []


async def test_an_assistant_that_is_not_active_takes_no_call(board: Switchboard) -> None:
    assistant_id = await board.number(is_active=False)
    assert await board.decide() is None
    board.answer({"assistant_id": assistant_id})
    assert await board.decide() is None


async def test_without_minutes_the_call_is_rejected_before_anybody_is_asked(settings: Settings) -> None:
    update = {"allow_private_addresses": True, "billing": True}
    async with WebhookReceiver() as receiver, open_house(settings.model_copy(update=update)) as house:
        board = Switchboard(house, receiver)
        await board.number(stt_config={"provider": "deepgram", "model": "nova-3", "language": "nl"})
        await change_balance(house.database, "Default", -1.0)
        decision = await board.decide()
        assert isinstance(decision, Rejection)
        assert (decision.end_reason, decision.words, receiver.received) == ("insufficient_credits", None, [])
        assert decision.language == "nl"
