"""Reading calls: one, many, and their recordings."""

import time
import wave
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr
from sqlalchemy import update

from dialtone.calls.recording_files import RecordingFiles
from dialtone.calls.recording_urls import RecordingUrls
from dialtone.calls.tables import Call
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import iso, now
from dialtone.settings import Settings
from tests.calls.conftest import House, open_house


async def _calls_at(house: House, *minutes_ago: int) -> list[str]:
    ids = []
    for minutes in minutes_ago:
        call_id = (await house.create())["call_id"]
        async with house.database.write() as session:
            moment = now() - timedelta(minutes=minutes)
            await session.execute(update(Call).where(Call.id == call_id).values(created_at=moment))
        ids.append(call_id)
    return ids


async def test_the_list_is_paged_newest_first(calls_house: House) -> None:
    ids = await _calls_at(calls_house, 3, 1, 2)
    newest_first = [ids[1], ids[2], ids[0]]
    async with calls_house.client() as client:
        everything = (await client.get("/api/v1/calls")).json()
        page = (await client.get("/api/v1/calls", params={"limit": 1, "offset": 1})).json()
    assert [call["id"] for call in everything["calls"]] == newest_first
    assert everything["pagination"] == {"total": 3, "limit": 100, "offset": 0}
    assert [call["id"] for call in page["calls"]] == newest_first[1:2]
    assert page["pagination"] == {"total": 3, "limit": 1, "offset": 1}


async def test_the_list_shows_the_same_objects_as_the_single_call(calls_house: House) -> None:
    ids = []
    for index in range(3):
        call_id, running, _ = await calls_house.begin()
        for word in range(index):
            running.journal.message("user", f"{index}-{word}")
        ids.append(call_id)
    single = [await calls_house.get(call_id) for call_id in ids]
    async with calls_house.client() as client:
        listed = {call["id"]: call for call in (await client.get("/api/v1/calls")).json()["calls"]}
    for call in single:
        other = listed[call["id"]]
        for shown in (call, other):
            shown["recording_url"] = shown["recording_url"].split("?")[0]
        assert other == call
    assert [len(call["messages"]) for call in single] == [0, 1, 2]


async def test_the_list_is_narrowed_by_status_and_time(calls_house: House) -> None:
    old, new = await _calls_at(calls_house, 120, 1)
    running, _, _ = await calls_house.begin()
    await calls_house.room.flush()
    an_hour_ago = now() - timedelta(hours=1)

    async def listed(**parameters: str) -> set[str]:
        async with calls_house.client() as client:
            answer = await client.get("/api/v1/calls", params=parameters)
        assert answer.status_code == 200, answer.text
        return {call["id"] for call in answer.json()["calls"]}

    assert await listed(status="in-progress") == {running}
    assert await listed(status="connecting") == {old, new}
    assert await listed(status="anything") == set()
    assert await listed(start_date=iso(an_hour_ago)) == {new, running}
    assert await listed(end_date=an_hour_ago.replace(tzinfo=None).isoformat()) == {old}


async def test_wrong_pages_are_told(house: House) -> None:
    async with house.client() as client:
        for parameters, words in [
            ({"limit": "1001"}, "limit: must be at most 1000 (got"),
            ({"limit": "0"}, "limit: must be at least 1 (got"),
            ({"offset": "-1"}, "offset: must be at least 0 (got"),
            ({"start_date": "yesterday"}, "start_date"),
        ]:
            answer = await client.get("/api/v1/calls", params=parameters)
            assert answer.status_code == 400
            assert words in answer.json()["details"][0]


async def test_anothers_calls_do_not_exist(calls_house: House) -> None:
    created = await calls_house.create()
    _, key = await calls_house.organizations.create("Another")
    async with calls_house.client(key) as client:
        foreign = await client.get(f"/api/v1/calls/{created['call_id']}")
        unknown = await client.get("/api/v1/calls/no-such-call")
        listed = await client.get("/api/v1/calls")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()
    assert listed.json() == {"calls": [], "pagination": {"total": 0, "limit": 100, "offset": 0}}


async def test_a_recording_opens_with_its_address_alone(house: House) -> None:
    call_id, running, _ = await house.begin()
    path = running.plan.recording_path
    assert path is not None
    path.parent.mkdir(parents=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 10)
    url = (await house.get(call_id))["recording_url"]
    assert url.startswith(f"http://dialtone.test/api/v1/calls/{call_id}/recording?expires=")
    async with house.client("none") as client:
        whole = await client.get(url)
        part = await client.get(url, headers={"Range": "bytes=4-7"})
        head = await client.head(url)
        forged = await client.get(url[:-1] + ("0" if url[-1] != "0" else "1"))
        later = parse_qs(urlsplit(url).query)["expires"][0]
        stretched = await client.get(url.replace(later, str(int(later) + 999)))
        bare = await client.get(url.split("?")[0])
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.content == path.read_bytes()
    assert (part.status_code, part.content) == (206, path.read_bytes()[4:8])
    assert part.headers["content-range"] == f"bytes 4-7/{path.stat().st_size}"
    assert head.headers["content-length"] == str(path.stat().st_size)
    for refused in (forged, stretched, bare):
        assert refused.status_code == 403
        assert refused.json()["code"] == "forbidden"


async def test_an_expired_address_says_so(house: House) -> None:
    call_id, _, _ = await house.begin()
    urls = RecordingUrls(house.app.state.parts.secrets, -10)
    async with house.client() as client:
        answer = await client.get(urls.sign("http://dialtone.test", call_id))
    assert answer.status_code == 403
    assert "has expired" in answer.json()["message"]


async def test_a_recording_that_is_gone_is_not_found(house: House) -> None:
    call_id, _, _ = await house.begin()
    url = (await house.get(call_id))["recording_url"]
    async with house.client() as client:
        answer = await client.get(url)
    assert answer.status_code == 404
    assert answer.json()["message"] == "There is no recording with this id."


async def test_addresses_carry_the_public_url(tmp_path: Path) -> None:
    async with open_house(
        Settings(data_dir=tmp_path, api_key=SecretStr("fl_test_key"), public_url="https://voice.example.com/")
    ) as house:
        created = await house.create()
        assert created["server_url"] == "wss://voice.example.com/api/v1/web-calls/stream"
        call_id, _, _ = await house.begin()
        url = (await house.get(call_id))["recording_url"]
        assert url.startswith(f"https://voice.example.com/api/v1/calls/{call_id}/recording?")


def test_a_path_out_of_the_recordings_opens_nothing(tmp_path: Path) -> None:
    assert RecordingFiles(tmp_path / "recordings").path("recordings/2026/01/02/a.wav") is not None
    assert RecordingFiles(tmp_path / "recordings").path("recordings/../secret.key") is None
    assert RecordingFiles(tmp_path / "recordings").path("/etc/passwd") is None


def test_a_signature_holds_for_one_call_only() -> None:
    urls = RecordingUrls(Secrets(["a key"]), 60)
    query = parse_qs(urlsplit(urls.sign("http://a", "one")).query)
    expires, signature = query["expires"][0], query["signature"][0]
    assert urls.problem("one", expires, signature) is None
    assert urls.problem("two", expires, signature) is not None
    assert int(expires) - time.time() <= 60
    assert datetime.fromtimestamp(int(expires)).year > 2000  # noqa: DTZ006
