"""Phone numbers: their one form, what they refer to by all its names, and what becomes of it."""

import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dialtone.numbers.service import Numbers, OutboundNumber
from dialtone.platform.errors import ApiError
from dialtone.platform.phone_numbers import canonical, mention_of
from tests.resources.requests import API, NUMBERS, TRUNK, TRUNKS, changed, create, details, free_number, ignored, read

ASSISTANTS = f"{API}/assistants"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("+31201234567", "+31201234567"),
        ("+31 20 123 4567", "+31201234567"),
        ("+31 (0)20-123.45.67", "+31201234567"),
        ("0031 20/123 4567", "+31201234567"),
        ("+1 (212) 555\u20110123", "+12125550123"),
        (" +44\u00a020 7946 0958 ", "+442079460958"),
        ("+123456789012345", "+123456789012345"),
        ("+1234567890123456", None),
        ("020 123 4567", None),
        ("31201234567", None),
        ("+0201234567", None),
        ("+31 20 CALL", None),
        ("+\u0663\u0661201234567", None),
        ("++31201234567", None),
        ("", None),
    ],
)
def test_people_write_numbers_in_many_ways(written: str, stored: str | None) -> None:
    assert canonical(written) == stored


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Call +31 (0)20-123.45.67 please", True),
        ("whatsapp:0031201234567", True),
        ("31201234567", True),
        ('{"phone": "+31201234567"}', True),
        ("+31201234568", False),
        ("+312012345670", False),
        ("1" + "31201234567", False),
        ("020 1234567", False),
        ("+31 20 123" + " " * 10_000 + "4567", True),
        ("+31 20 123" + "(-" * 10_000, False),
        ("+3" + "1(0)2" * 4000, False),
        ("", False),
    ],
)
def test_a_number_is_found_in_a_text_however_it_is_written(text: str, named: bool) -> None:
    assert bool(mention_of("+31201234567").search(text)) is named


def test_a_sip_uri_is_found_as_it_is() -> None:
    mention = mention_of("sip:desk@example.com")
    assert mention.search("I called SIP:desk@example.com.")
    assert not mention.search("sip:desk@exampleXcom")


def test_no_text_makes_the_search_slow() -> None:
    assert mention_of("+30000000000001").search("3" + "(0)" * 6000 + "0" * 6000) is None


async def test_a_number_is_stored_in_its_one_form(client: httpx.AsyncClient) -> None:
    number = free_number()
    made = await create(client, NUMBERS, phone_number=f"00{number[1:4]} {number[4:8]}-{number[8:]}")
    assert made["phone_number"] == number
    assert set(made) == {
        *("id", "phone_number", "name", "is_active", "source", "created_at", "updated_at"),
        *("agent_id", "agent_name", "assistant_id", "assistant_name", "business_name"),
        *("transfer_trunk_id", "transfer_trunk_name", "workflow_id", "workflow_name"),
        *("carrier", "carrier_url"),  # ours
    }
    assert made["is_active"] is True
    problem = details(await client.post(NUMBERS, json={"phone_number": "020 123 4567"}))
    assert problem == [
        'phone_number: must be a number with its country code, in E.164 form like +31201234567 (got "020 123 4567")'
    ]
    assert details(await client.post(NUMBERS, json={"phone_number": 31201234567}))


async def test_a_number_rings_in_one_organization(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    number = free_number()
    made = await create(client, NUMBERS, phone_number=number)
    mine = await client.post(NUMBERS, json={"phone_number": number.replace("+", "00")})
    theirs = await other_client.post(NUMBERS, json={"phone_number": number})
    assert (mine.status_code, mine.json()["code"]) == (409, "number_taken")
    assert mine.json()["details"] == [f'phone_number: must not be registered already (got "{number}")']
    assert (theirs.status_code, theirs.json()) == (409, mine.json())
    assert (await client.delete(f"{NUMBERS}/{made['id']}")).status_code == 200
    await create(other_client, NUMBERS, phone_number=number)


@pytest.mark.parametrize("name", ["agent_id", "assistant_id"])
async def test_an_assistant_is_attached_by_either_name(client: httpx.AsyncClient, name: str) -> None:
    first = await create(client, ASSISTANTS, name="Reception", business_name="Clinic")
    made = await create(client, NUMBERS, phone_number=free_number(), **{name: first["id"].upper()})
    shown = {"agent_id", "assistant_id"}
    assert {made[one] for one in shown} == {first["id"]}
    assert (made["agent_name"], made["assistant_name"], made["business_name"]) == ("Reception", "Reception", "Clinic")
    path = f"{NUMBERS}/{made['id']}"
    assert {(await changed(client, path, **{name: None}))[one] for one in shown} == {None}
    again = await changed(client, path, **{name: first["id"]})
    assert {again[one] for one in shown} == {first["id"]}
    assert (await changed(client, path, name="Other"))["agent_id"] == first["id"]


@pytest.mark.parametrize("name", ["agent_id", "assistant_id"])
async def test_an_object_that_was_read_can_be_changed_under_one_name(client: httpx.AsyncClient, name: str) -> None:
    first, second = [await create(client, ASSISTANTS, name=name) for name in ("First", "Second")]
    made = await create(client, NUMBERS, phone_number=free_number(), agent_id=first["id"])
    path = f"{NUMBERS}/{made['id']}"
    after = await changed(client, path, **{**made, name: second["id"]})
    assert (after["agent_id"], after["assistant_id"], after["agent_name"]) == (second["id"], second["id"], "Second")
    detached = await changed(client, path, **{**after, name: None})
    assert (detached["agent_id"], detached["assistant_id"], detached["agent_name"]) == (None, None, None)
    both = {"agent_id": first["id"], "assistant_id": second["id"]}
    assert details(await client.patch(path, json=both))[0].startswith("agent_id: must be the same as assistant_id")
    assert details(await client.post(NUMBERS, json={"phone_number": free_number(), **both}))


async def test_names_are_as_they_are_now(client: httpx.AsyncClient) -> None:
    assistant = await create(client, ASSISTANTS, name="Old", business_name="Old business")
    trunk = await create(client, TRUNKS, **TRUNK)
    made = await create(
        client, NUMBERS, phone_number=free_number(), agent_id=assistant["id"], transfer_trunk_id=trunk["id"]
    )
    await changed(client, f"{ASSISTANTS}/{assistant['id']}", name="New", business_name="New business")
    await changed(client, f"{TRUNKS}/{trunk['id']}", name="New line")
    listed = (await client.get(NUMBERS)).json()["numbers"]
    assert listed == [await read(client, f"{NUMBERS}/{made['id']}")]
    names = ("agent_name", "business_name", "transfer_trunk_name")
    assert [listed[0][name] for name in names] == ["New", "New business", "New line"]


async def test_what_is_deleted_leaves_its_numbers_without_it(client: httpx.AsyncClient) -> None:
    assistant = await create(client, ASSISTANTS, name="A")
    trunk = await create(client, TRUNKS, **TRUNK)
    links = {"agent_id": assistant["id"], "transfer_trunk_id": trunk["id"]}
    made = [await create(client, NUMBERS, phone_number=free_number(), **links) for _ in range(2)]
    assert (await client.delete(f"{ASSISTANTS}/{assistant['id']}")).json() == {"success": True}
    for one in made:
        after = await read(client, f"{NUMBERS}/{one['id']}")
        assert (after["agent_id"], after["agent_name"], after["transfer_trunk_id"]) == (None, None, trunk["id"])
    assert (await client.delete(f"{TRUNKS}/{trunk['id']}")).json() == {"success": True}
    for one in made:
        after = await read(client, f"{NUMBERS}/{one['id']}")
        assert (after["transfer_trunk_id"], after["transfer_trunk_name"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "path", "fields"),
    [
        ("agent_id", ASSISTANTS, {"name": "A"}),
        ("assistant_id", ASSISTANTS, {"name": "A"}),
        ("transfer_trunk_id", TRUNKS, TRUNK),
    ],
)
async def test_only_what_is_ones_own_can_be_attached(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, name: str, path: str, fields: dict[str, Any]
) -> None:
    foreign = (await create(other_client, path, **fields))["id"]
    made = await create(client, NUMBERS, phone_number=free_number())
    for reference in (foreign, str(uuid.uuid4()), "nonsense", ""):
        for answer in (
            await client.post(NUMBERS, json={"phone_number": free_number(), name: reference}),
            await client.patch(f"{NUMBERS}/{made['id']}", json={name: reference}),
        ):
            assert details(answer)[0].startswith(f"{name}: must be the id of one of your ")
    assert (await client.get(NUMBERS)).json()["numbers"] == [made]


async def test_the_database_itself_keeps_organizations_apart(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI
) -> None:
    foreign = (await create(other_client, ASSISTANTS, name="A"))["id"]
    foreign_trunk = (await create(other_client, TRUNKS, **TRUNK))["id"]
    made = await create(client, NUMBERS, phone_number=free_number())
    database = app.state.parts.database
    for column, reference in (("assistant_id", foreign), ("transfer_trunk_id", foreign_trunk)):
        values = {"reference": reference, "id": made["id"]}
        if database.is_sqlite:
            values = {name: uuid.UUID(value).hex for name, value in values.items()}
        change = text(f"UPDATE numbers SET {column} = :reference WHERE id = :id")
        with pytest.raises(IntegrityError):
            async with database.write() as session:
                await session.execute(change, values)
    assert await read(client, f"{NUMBERS}/{made['id']}") == made


async def test_there_are_no_workflows(client: httpx.AsyncClient) -> None:
    body = {"phone_number": free_number(), "workflow_id": str(uuid.uuid4())}
    assert details(await client.post(NUMBERS, json=body))[0].startswith("workflow_id: there is no such workflow (got ")
    made = await create(client, NUMBERS, **{**body, "workflow_id": None})
    assert (made["workflow_id"], made["workflow_name"]) == (None, None)


async def test_the_number_itself_stays(client: httpx.AsyncClient) -> None:
    made = await create(client, NUMBERS, phone_number=free_number())
    path = f"{NUMBERS}/{made['id']}"
    for sent, expected in (("+31201234567", {"phone_number"}), (made["phone_number"].replace("+", "00"), set())):
        answer = await client.patch(path, json={"phone_number": sent})
        assert (answer.status_code, ignored(answer)) == (200, expected)
    assert await read(client, path) == made


async def test_calls_are_placed_from_active_numbers(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI, organization_id: str
) -> None:
    numbers: Numbers = app.state.parts.numbers
    trunk = await create(client, TRUNKS, **TRUNK)
    foreign = await create(other_client, NUMBERS, phone_number=free_number())
    idle = await create(client, NUMBERS, phone_number=free_number(), is_active=False)

    async def chosen(number_id: str | None = None) -> OutboundNumber | None:
        async with app.state.parts.database.read() as session:
            return await numbers.for_outbound(session, organization_id, number_id)

    assert await numbers.count_active(organization_id) == 0
    assert await chosen() is None
    first = await create(client, NUMBERS, phone_number=free_number(), transfer_trunk_id=trunk["id"])
    second = await create(client, NUMBERS, phone_number=free_number())
    assert await numbers.count_active(organization_id) == 2
    assert await chosen() in (
        OutboundNumber(first["id"], first["phone_number"], trunk["id"]),
        OutboundNumber(second["id"], second["phone_number"], None),
    )
    assert await chosen(second["id"]) == OutboundNumber(second["id"], second["phone_number"], None)
    for refused in (idle["id"], foreign["id"], "nonsense"):
        with pytest.raises(ApiError) as raised:
            await chosen(refused)
        assert raised.value.status == 400
