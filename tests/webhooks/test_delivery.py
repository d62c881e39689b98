"""Tries, pauses, giving up, the log, replay, and what of it all is forgotten."""

import gzip
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from dialtone.webhooks.schedule import TRIED_FOR
from tests.fakes.webhook_receiver import Answer, Received
from tests.webhooks.conftest import SECRET, Desk, everything_is

REPORT = ["end-of-call-report"]


def status(code: int, **headers: str) -> Answer:
    return lambda _received: web.Response(status=code, headers=headers, text="as you wish")


def hang_up(_received: Received) -> web.Response:
    raise ConnectionError


async def one_report(desk: Desk, **fields: Any) -> str:
    """A call whose report is its only event; the call's id."""
    call_id, call, _ = await desk.house.begin(assistant_id=await desk.assistant(webhook_events=REPORT, **fields))
    call.end("user_hangup")
    return call_id


async def tried(desk: Desk, times: int) -> dict[str, Any]:
    """The only delivery, once it has been tried so often."""
    (row,) = await desk.until(lambda rows: [one["attempts"] for one in rows] == [times])
    return await desk.delivery(row["id"])


def pause_of(delivery: dict[str, Any]) -> float:
    """Seconds from the last try to the next."""
    began = datetime.fromisoformat(delivery["tries"][-1]["at"])
    return (datetime.fromisoformat(delivery["next_attempt_at"]) - began).total_seconds()


@pytest.mark.parametrize("trouble", [status(500), status(503), status(408), status(429), hang_up])
async def test_what_may_pass_is_tried_again_under_the_same_id(desk: Desk, trouble: Answer) -> None:
    desk.receiver.answers = [trouble, trouble]
    call_id = await one_report(desk)
    delivery = await tried(desk, 1)
    assert (delivery["status"], delivery["call_id"]) == ("waiting", call_id)
    assert 5 <= pause_of(delivery) < 7
    desk.pass_time(pause_of(delivery))
    delivery = await tried(desk, 2)
    assert 10 <= pause_of(delivery) < 13
    desk.pass_time(pause_of(delivery))
    await desk.until(everything_is("delivered"))
    assert {one.id for one in desk.receiver.received} == {delivery["id"]}
    assert len({one.raw for one in desk.receiver.received}) == 1
    assert all(one.is_signed_with(SECRET) for one in desk.receiver.received)
    assert len({one.headers["X-Webhook-Timestamp"] for one in desk.receiver.received}) == 3
    delivery = await desk.delivery(delivery["id"])
    assert [one["error"] is None for one in delivery["tries"]] == [False, False, True]
    assert (delivery["attempts"], delivery["response_status"], delivery["next_attempt_at"]) == (3, 200, None)
    assert delivery["response_body"] == "{}"
    assert delivery["request"]["body"]["message"]["type"] == "end-of-call-report"
    assert SECRET not in repr(delivery)


async def test_a_receiver_says_when_it_wants_the_next_try(desk: Desk) -> None:
    desk.receiver.answers = [status(429, **{"Retry-After": "1800"})]
    await one_report(desk)
    assert 1800 <= pause_of(await tried(desk, 1)) < 1802


@pytest.mark.parametrize("code", [400, 401, 404, 410, 422])
async def test_what_will_not_pass_is_final(desk: Desk, code: int) -> None:
    desk.receiver.answers = [status(code)]
    await one_report(desk)
    (row,) = await desk.until(everything_is("failed"))
    assert (row["attempts"], row["response_status"]) == (1, code)
    assert row["error"] == f"the receiver answered with status {code}"
    assert (await desk.delivery(row["id"]))["response_body"] == "as you wish"


async def test_redirects_are_not_followed(desk: Desk) -> None:
    desk.receiver.answers = [status(307, Location=f"{desk.receiver.url}/elsewhere")]
    await one_report(desk)
    (row,) = await desk.until(everything_is("failed"))
    assert row["error"] == "the receiver answered with a redirect (307), which is not followed"
    assert [one.path for one in desk.receiver.received] == ["/hook"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(status=204),
        lambda _: web.Response(body=b"x" * 3_000_000),
        lambda _: web.Response(body=gzip.compress(b"thanks"), headers={"Content-Encoding": "gzip"}),
        lambda _: web.Response(body=b"\x00\xff"),
    ],
)
async def test_any_success_acknowledges_whatever_its_body(desk: Desk, answer: Answer) -> None:
    desk.receiver.answers = [answer]
    await one_report(desk)
    (row,) = await desk.until(everything_is("delivered"))
    assert len((await desk.delivery(row["id"]))["response_body"]) <= 2048


async def test_after_a_day_it_is_given_up(desk: Desk) -> None:
    desk.receiver.answer = status(500)
    await one_report(desk)
    await tried(desk, 1)
    desk.pass_time(TRIED_FOR - 60)
    delivery = await tried(desk, 2)
    assert pause_of(delivery) <= 60
    desk.pass_time(61)
    (row,) = await desk.until(everything_is("failed"))
    assert (row["attempts"], row["next_attempt_at"]) == (3, None)


async def test_a_replay_goes_on_for_a_day_of_its_own_under_the_old_id(desk: Desk) -> None:
    desk.receiver.answers = [status(400)]
    await one_report(desk)
    (row,) = await desk.until(everything_is("failed"))
    desk.pass_time(3 * TRIED_FOR)
    desk.receiver.answers = [status(500)]
    async with desk.house.client() as client:
        answer = await client.post(f"/api/v1/webhook-deliveries/{row['id']}/replay")
        assert answer.status_code == 200, answer.text
        assert answer.json()["webhook_delivery"]["status"] == "waiting"
        delivery = await tried(desk, 2)
        assert 5 <= pause_of(delivery) < 7
        refused = await client.post(f"/api/v1/webhook-deliveries/{row['id']}/replay")
        assert (refused.status_code, refused.json()["code"]) == (409, "delivery_waiting")
    desk.pass_time(7)
    await desk.until(everything_is("delivered"))
    assert {one.id for one in desk.receiver.received} == {row["id"]}


async def test_content_that_is_gone_is_not_replayed(desk: Desk) -> None:
    await one_report(desk, gdpr_mode=True)
    (row,) = await desk.until(everything_is("delivered"))
    async with desk.house.client() as client:
        refused = await client.post(f"/api/v1/webhook-deliveries/{row['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_content_deleted")


async def test_a_calls_events_arrive_in_order_also_when_the_first_fails(desk: Desk) -> None:
    desk.receiver.answers = [status(500)]
    _, call, _ = await desk.house.begin(assistant_id=await desk.assistant())
    call.end("user_hangup")
    rows = await desk.until(lambda rows: len(rows) == 3 and any(row["attempts"] for row in rows))
    assert sorted(row["attempts"] for row in rows) == [0, 0, 1]
    # Another call is not held up by it.
    other, call, _ = await desk.house.begin(assistant_id=await desk.assistant())
    call.end("user_hangup")
    await desk.until(everything_is("delivered", "delivered", "delivered"), call_id=other)
    desk.pass_time(7)
    await desk.until(lambda rows: all(row["status"] == "delivered" for row in rows))
    first = [one.event for one in desk.receiver.received if one.message["call"]["id"] != other]
    assert first == ["status-update", "status-update", "status-update", "end-of-call-report"]


async def test_an_address_that_became_private_is_never_sent_to(desk: Desk) -> None:
    desk.house.app.state.parts.outgoing._allow_private = False
    await one_report(desk)
    (row,) = await desk.until(everything_is("failed"))
    assert "must not lead to the non-public address 127.0.0.1" in row["error"]
    assert desk.receiver.received == []


async def test_the_log_is_filtered_paged_and_the_organizations_own(desk: Desk) -> None:
    call_id, call, _ = await desk.house.begin(assistant_id=await desk.assistant())
    call.end("user_hangup")
    await one_report(desk)
    rows = await desk.until(everything_is(*["delivered"] * 4))
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    assert len(await desk.deliveries(call_id=call_id)) == 3
    assert len(await desk.deliveries(event="end-of-call-report")) == 2
    assert len(await desk.deliveries(call_id=call_id, event="end-of-call-report")) == 1
    assert await desk.deliveries(status="failed") == []
    assert await desk.deliveries(limit=2, offset=1) == rows[1:3]
    async with desk.house.client() as client:
        page = (await client.get("/api/v1/webhook-deliveries?limit=1&event=status-update")).json()
        assert page["pagination"] == {"total": 2, "limit": 1, "offset": 0}
        for wrong in ("status=lost", "limit=0", "limit=1001", "offset=-1", "call_id=x", "event=%00"):
            assert (await client.get(f"/api/v1/webhook-deliveries?{wrong}")).status_code == 400, wrong
    _, key = await desk.house.organizations.create("Another")
    assert await desk.deliveries(key) == []
    async with desk.house.client(key) as stranger:
        for unknown in (rows[0]["id"], str(uuid.uuid4()), "x"):
            path = f"/api/v1/webhook-deliveries/{unknown}"
            for answer in (await stranger.get(path), await stranger.post(f"{path}/replay")):
                assert answer.status_code == 404
                assert answer.json()["message"] == "There is no webhook delivery with this id."


async def test_the_log_forgets_what_is_old_and_over(desk: Desk) -> None:
    webhooks = desk.house.app.state.parts.webhooks.webhooks
    await one_report(desk)
    await desk.until(everything_is("delivered"))
    desk.receiver.answer = status(500)
    await one_report(desk)
    await desk.until(everything_is("delivered", "waiting"))
    assert await webhooks.prune(timedelta(days=1)) == 0
    assert await webhooks.prune(timedelta(days=-1)) == 1
    assert [row["status"] for row in await desk.deliveries()] == ["waiting"]


async def test_erased_calls_are_told_no_more(desk: Desk) -> None:
    desk.receiver.answers = [status(500)]
    call_id = await one_report(desk)
    kept = await one_report(desk)
    await desk.until(lambda rows: len(rows) == 2)
    parts = desk.house.app.state.parts
    owner = desk.house.engine.calls[0].plan.organization_id
    async with desk.house.database.write() as session:
        assert await parts.webhooks.webhooks.erase_calls(session, str(uuid.uuid4()), [call_id]) == 0
        assert await parts.webhooks.webhooks.erase_calls(session, owner, [call_id]) == 1
    assert [row["call_id"] for row in await desk.deliveries()] == [kept]
