"""Trunks at work through the whole server: registered, limited, one after the other, with numbers of their own kind."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialtone.sip.message import Request
from tests.sip.certificates import make_certificate
from tests.sip.stage import phone
from tests.sip.wire import Wire, wire
from tests.whole.handset import handset, sip_uri
from tests.whole.house import WholeHouse
from tests.whole.test_sip_calls import (
    CALLER,
    NUMBER,
    events_of_trunk,
    make_number,
    make_trunk,
    only_call,
    only_call_now,
    place,
    refused,
    telephone_house,
)

LOGIN = {"auth_username": "user123", "auth_password": "s3cret of the trunk"}
CHALLENGE = 'Digest realm="provider.example", nonce="n0nce", qop="auth"'


@asynccontextmanager
async def provider() -> AsyncIterator["Provider"]:
    async with wire() as far:
        made = Provider(far)
        serving = asyncio.create_task(made.serve())
        try:
            yield made
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


class Provider:
    """A registrar: asks for a password once, then answers as it is told to."""

    def __init__(self, far: Wire) -> None:
        self._wire = far
        self.address = f"127.0.0.1:{far.port}"
        self.status = 200
        self.contacts: list[str] = []
        """Of the requests with a login, in order."""
        self._news = asyncio.Event()

    async def serve(self) -> None:
        while True:
            request = await self._wire.next()
            assert isinstance(request, Request)
            port = request.via.port
            assert port is not None
            if 'username="user123"' not in (request.get("authorization") or ""):
                self._wire.send(self._wire.answer(request, 401, "registrar", www_authenticate=CHALLENGE), port)
                continue
            contact = request.get("contact") or ""
            answer = self._wire.answer(request, self.status, "registrar")
            answer.set("contact", contact)
            self._wire.send(answer, port)
            self.contacts.append(contact)
            self._news.set()

    async def registered(self, times: int) -> str:
        """The address of the last of so many registrations."""
        async with asyncio.timeout(10):
            while len(self.contacts) < times:
                self._news.clear()
                await self._news.wait()
        return self.contacts[times - 1]


async def trunk_of(house: WholeHouse) -> dict[str, Any]:
    async with house.http.get(f"{house.url}/api/v1/sip-trunks") as answered:
        found: dict[str, Any] = (await answered.json())["trunks"][0]
    return found


async def until_state(house: WholeHouse, state: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (await trunk_of(house))["registration"]["state"] != state:
            pass
    registration: dict[str, Any] = (await trunk_of(house))["registration"]
    return registration


async def change(house: WholeHouse, **fields: Any) -> None:
    trunk_id = (await trunk_of(house))["id"]
    async with house.http.patch(f"{house.url}/api/v1/sip-trunks/{trunk_id}", json=fields) as answered:
        assert answered.status == 200, await answered.text()


async def test_a_registered_trunk_is_called_at_its_address(tmp_path: Path, database_url: str | None) -> None:
    async with provider() as registrar, handset() as phone:
        async with telephone_house(tmp_path, database_url) as house:
            await make_number(house)
            await make_trunk(house, registrar.address, **LOGIN, register=True, outbound_number=NUMBER)
            contact = await registrar.registered(1)
            registration = await until_state(house, "registered")
            user = contact.removeprefix("<sip:").partition("@")[0]
            await phone.dial(sip_uri(house, user))  # names no number
            await phone.until_heard(0.3)
            phone.hang_up()
            record = await only_call(house)
            await change(house, is_active=False)
            assert (await registrar.registered(2)).endswith(";expires=0")
            await change(house, is_active=True, register_expires=300)
            assert (await registrar.registered(3)).endswith(";expires=300")
            await until_state(house, "registered")
            [newest, *_] = await events_of_trunk(house)
        assert (await registrar.registered(4)).endswith(";expires=0")
    assert (registration["status"], registration["reason"]) == (200, "Registered at the provider.")
    assert (record["assistant_phone"], record["caller_phone"], record["end_reason"]) == (NUMBER, CALLER, "user_hangup")
    assert (newest["kind"], newest["status"]) == ("registration", 200)
    assert len(registrar.contacts) == 4


async def test_a_refused_registration_says_so(tmp_path: Path) -> None:
    async with provider() as registrar, telephone_house(tmp_path) as house:
        registrar.status = 403
        await make_trunk(house, registrar.address, **LOGIN, register=True)
        registration = await until_state(house, "failing")
        [event] = await events_of_trunk(house)
    words = "The provider refused the registration (403 Forbidden)."
    assert (registration["status"], registration["reason"]) == (403, words)
    assert (event["kind"], event["status"], event["reason"]) == ("registration", 403, words)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_what_is_wrong_with_a_trunk_is_said_the_same_way_everywhere(tmp_path: Path, transport: str) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(make_certificate(tmp_path))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with (
            phone(transports=("tls",), certificate=served) as far,
            telephone_house(tmp_path, sip_keep_alive_seconds=1) as house,
        ):
            port = far.agent.listening_on()[0][1][1] if transport == "tls" else port
            await make_trunk(house, f"127.0.0.1:{port}", **LOGIN, register=True, transport=transport)
            registration = await until_state(house, "failing")
            await make_number(house)
            await place(house)
            record = await only_call(house)
            async with asyncio.timeout(10):
                while len(events := await events_of_trunk(house)) < 3:
                    pass
    place_of = f"127.0.0.1 ({transport} 127.0.0.1 port {port})"
    untrusted = f"the certificate of {place_of} is not of an authority that this server trusts; "
    why = f"{place_of} refused the connection." if transport == "tcp" else f"{untrusted}SSL_CERT_FILE can name others."
    assert (registration["status"], registration["reason"]) == (None, f"The registration was not answered: {why}")
    assert (record["end_reason"], record["error"]) == ("unreachable", f"The trunk was not reached: {why}")
    assert {event["kind"]: (event["status"], event["reason"]) for event in events} == {
        "registration": (None, f"The registration was not answered: {why}"),
        "outbound": (None, f"The trunk was not reached: {why}"),
        "keep_alive": (
            None,
            f"The trunk's server can't be reached: {why} Calls go out by other trunks first.",
        ),
    }


async def test_a_trunk_takes_no_more_calls_than_it_has_channels(tmp_path: Path, database_url: str | None) -> None:
    async with telephone_house(tmp_path, database_url) as house, handset() as phone, handset() as late:
        await make_trunk(house, max_channels=1)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        assert (await refused(late, sip_uri(house, NUMBER))).status == 486
        [event] = await events_of_trunk(house)
        phone.hang_up()
        await only_call(house)
        await late.dial(sip_uri(house, NUMBER))
        late.hang_up()
    assert (event["status"], event["called"]) == (486, NUMBER)
    assert event["reason"] == "All channels of the trunk are in use: it carries 1 call at a time."


async def test_numbers_are_read_and_written_as_the_trunk_does(tmp_path: Path) -> None:
    national = {"country_code": "31", "outbound_format": "national"}
    async with telephone_house(tmp_path) as house, handset() as phone:
        port = phone.phone.agent.listening_on()[0][1][1]
        await make_trunk(house, f"127.0.0.1:{port}", **national)
        await make_number(house)
        await phone.dial(sip_uri(house, "0201234567"), "sip:0612345678@carrier.example")
        record = await only_call_now(house)
        phone.hang_up()
        await only_call(house)
        phone.phone.events.clear()
        phone.phone._seen = 0
        await place(house)
        invitation = await phone.ringing()
        phone.phone.agent.reject(phone.call, 486)
        await phone.ended()
    assert (record["assistant_phone"], record["caller_phone"]) == (NUMBER, CALLER)
    assert (invitation.called.number, invitation.caller.number) == ("0612345678", "0201234567")


async def test_a_call_goes_out_by_the_next_trunk(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as broken, handset() as phone:
        for each in (phone, broken):  # of equals the newest comes first
            await make_trunk(house, f"127.0.0.1:{each.phone.agent.listening_on()[0][1][1]}")
        await make_number(house)
        await place(house)
        await broken.ringing(ring=False)
        broken.phone.agent.reject(broken.call, 503)
        await phone.pick_up()
        await phone.until_heard(0.3)
        phone.hang_up()
        record = await only_call(house)
        [event] = await events_of_trunk(house)
    words = "The trunk could not carry the call (503 Service Unavailable)."
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")
    assert record["notes"][0] == f"The trunk Carrier failed, and the next was tried: {words}"
    assert (event["kind"], event["status"], event["reason"]) == ("outbound", 503, words)


async def test_a_trunk_that_stops_answering_is_told_of_and_tried_last(tmp_path: Path) -> None:
    async with telephone_house(tmp_path, sip_keep_alive_seconds=1) as house, wire() as server, handset() as phone:
        await make_trunk(house, f"127.0.0.1:{phone.phone.agent.listening_on()[0][1][1]}", priority=500)
        await make_trunk(house, f"127.0.0.1:{server.port}")

        async def say(status: int) -> None:
            asked = await server.request("OPTIONS")
            assert asked.via.port is not None
            server.send(server.answer(asked, status, "server"), asked.via.port)

        async def until_reachable(expected: bool) -> None:
            async with asyncio.timeout(10):
                while (await trunk_of(house))["reachable"] is not expected:
                    pass

        assert (await trunk_of(house))["reachable"] is None
        await say(404)
        await until_reachable(True)
        await say(503)
        await until_reachable(False)
        await make_number(house)
        await place(house)
        await phone.pick_up()
        phone.hang_up()
        await only_call(house)
        await say(200)
        await until_reachable(True)
        back, gone = await events_of_trunk(house)
        await change(house, keep_alive=False)
        assert (await trunk_of(house))["reachable"] is None
    words = "The trunk's server, or what is behind it, is out of service (503 Service Unavailable). "
    assert (gone["kind"], gone["status"], gone["called"]) == ("keep_alive", 503, None)
    assert gone["reason"] == words + "Calls go out by other trunks first."
    assert (back["kind"], back["status"], back["reason"]) == ("keep_alive", 200, "The trunk's server answers again.")
