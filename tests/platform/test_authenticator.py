"""Whose key it is: what is remembered, for how long, and what strangers who try keys cost."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dialtone.platform.auth import CACHE_SECONDS, Authenticator, Identity, StoredKey, hash_key
from dialtone.platform.errors import ApiError

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
KNOWN = "fl_known"


class House:
    """Stored keys, a count of the statements that looked for them, and clocks to turn."""

    def __init__(self, *stored: StoredKey) -> None:
        self.stored = {key.hash: key for key in stored}
        self.statements: list[list[str]] = []
        self.asked = asyncio.Event()
        self.moment = 0.0
        self.answering = asyncio.Event()
        self.answering.set()
        self.used: list[str] = []
        self.authenticator = Authenticator(self.find, self.used.append, lambda: self.moment, self.now)

    async def find(self, hashes: Sequence[str]) -> dict[str, StoredKey]:
        self.statements.append(list(hashes))
        self.asked.set()
        found = {each: self.stored[each] for each in hashes if each in self.stored}
        await self.answering.wait()
        return found

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.moment)

    async def refusal(self, key: str) -> str:
        with pytest.raises(ApiError) as raised:
            await self.authenticator.identify(key)
        assert raised.value.status == 401
        return raised.value.code


def stored(key: str = KNOWN, **more: datetime) -> StoredKey:
    return StoredKey("key-id", hash_key(key), "org", **more)


async def test_a_key_is_looked_up_once_in_a_while() -> None:
    house = House(stored())
    for _ in range(2):
        assert await house.authenticator.identify(KNOWN) == Identity("org", "key-id")
    assert len(house.statements) == 1
    house.moment = CACHE_SECONDS + 1
    assert await house.authenticator.identify(KNOWN) == Identity("org", "key-id")
    assert len(house.statements) == 2
    assert house.used == ["key-id"] * 3


async def test_what_is_no_key_is_not_looked_up() -> None:
    house = House()
    for key in ("sk-other", "fl_" + "x" * 300):
        assert await house.refusal(key) == "unauthorized"
    assert house.statements == []


async def test_a_revoked_key_and_an_expired_one_say_so() -> None:
    house = House(stored("fl_revoked", revoked_at=NOON), stored("fl_expired", expires_at=NOON))
    assert await house.refusal("fl_revoked") == "api_key_revoked"
    assert await house.refusal("fl_expired") == "api_key_expired"
    assert await house.refusal("fl_unknown") == "unauthorized"
    assert house.used == []


async def test_a_remembered_key_expires_on_time() -> None:
    house = House(stored(expires_at=NOON + timedelta(seconds=3)))
    house.moment = 2.999
    assert await house.authenticator.identify(KNOWN) == Identity("org", "key-id")
    house.moment = 3.0
    assert await house.refusal(KNOWN) == "api_key_expired"
    assert len(house.statements) == 1


async def test_a_key_read_before_it_was_revoked_is_not_remembered() -> None:
    house = House(stored())
    house.answering.clear()
    asking = asyncio.create_task(house.authenticator.identify(KNOWN))
    await house.asked.wait()
    house.stored = {hash_key(KNOWN): stored(revoked_at=NOON)}
    house.authenticator.forget()
    house.answering.set()
    await asking
    assert await house.refusal(KNOWN) == "api_key_revoked"


async def test_a_lookup_that_returns_another_key_is_not_believed() -> None:
    house = House()
    house.stored = {hash_key("fl_mine"): stored("fl_other")}
    assert await house.refusal("fl_mine") == "unauthorized"


async def test_a_flood_of_unknown_keys_is_one_statement_at_a_time_and_honest_callers_wait_for_one() -> None:
    house = House(stored())
    house.answering.clear()
    flood = [asyncio.create_task(house.refusal(f"fl_try_{number}")) for number in range(300)]
    await house.asked.wait()
    honest = [asyncio.create_task(house.authenticator.identify(KNOWN)) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(house.statements) == 1
    house.answering.set()
    assert set(await asyncio.gather(*flood)) == {"unauthorized"}
    assert await asyncio.gather(*honest) == [Identity("org", "key-id")] * 3
    assert len(house.statements) <= 2
    assert house.statements[-1].count(hash_key(KNOWN)) == 1


async def test_a_lookup_that_fails_fails_for_all_who_wait_and_the_next_one_is_tried() -> None:
    house = House(stored())
    failures = [OSError("gone")]

    async def find(hashes: Sequence[str]) -> dict[str, StoredKey]:
        if failures:
            raise failures.pop()
        return await house.find(hashes)

    authenticator = Authenticator(find)
    found = await asyncio.gather(*(authenticator.identify(KNOWN) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [OSError] * 3
    assert await authenticator.identify(KNOWN) == Identity("org", "key-id")
