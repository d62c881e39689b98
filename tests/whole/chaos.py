"""A server that is killed again and again in the middle of its work, and what must be there in the end."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import aiohttp
import psycopg
from aiohttp import web

from dialtone.client import WebCallClient
from dialtone.client.web_call import WebCallError
from dialtone.media.audio import FRAME_SECONDS, MULAW_8K
from tests.fakes.deepgram import FakeDeepgram, final
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import Received, WebhookReceiver
from tests.whole.house import SPEECH
from tests.whole.processes import KEY, beside, spawned

CALLERS = 4
LONGEST_CALL_SECONDS = 2.5
LONGEST_LIFE_SECONDS = 3.0
SHORTEST_START_SECONDS = 0.4
FAILING = 0.1
"""Share of the webhooks that their receiver refuses."""
EARLY_KILLS = 0.2
"""Share of the kills that come while the server is starting, and takes up what the last one left."""
SETTLE_SECONDS = 240.0
"""Jobs of a killed process are taken over after a while; a receiver that failed often is tried again after a minute."""
SECRET = "the receiver's secret"
OLD_DAYS = 60
FINDINGS = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


class Rows:
    """The database behind the server's back."""

    def __init__(self, data_dir: Path, database_url: str | None) -> None:
        self._file = data_dir / "dialtone.db"
        self._url = database_url

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        if self._url is not None:
            with psycopg.connect(self._url, autocommit=True) as connection:
                yield connection
            return
        with contextlib.closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as connection:
            yield connection

    def ask(self, statement: str, *given: str) -> list[tuple[Any, ...]]:
        if self._url is not None:
            statement = statement.replace("?", "%s")
        with self._connection() as connection:
            cursor = connection.execute(statement, given)
            return list(cursor.fetchall()) if cursor.description else []


@dataclass
class Chaos:
    """One deployment through all its deaths."""

    data_dir: Path
    database_url: str | None
    random: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    """Calls whose callers heard that they are ready."""
    aged: list[str] = field(default_factory=list)
    """Calls that were made older than their organization keeps content."""
    erasures: dict[str, str] = field(default_factory=dict)
    """Accepted erasures, and the number of each."""
    assistant: str = ""
    url: str = ""
    calm: bool = False
    """The receiver takes everything."""
    module: str = "tests.whole.impatient"
    """The server's command line."""

    def __post_init__(self) -> None:
        self.rows = Rows(self.data_dir, self.database_url)
        heard = final("I would like a table", 0.2, 1.0)
        self._vendors = FakeDeepgram(lambda _number: [(1.2, heard)]), FakeOpenAIChat(_reply), FakeElevenLabs()
        self.receiver = WebhookReceiver(answer=self._acknowledge)

    def _acknowledge(self, _received: Received) -> web.Response:
        refused = not self.calm and self.random.random() < FAILING
        return web.json_response({}, status=500 if refused else 200)

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Vendors and the receiver, which live on."""
        with contextlib.ExitStack() as stack:
            for fake in (*self._vendors, self.receiver):
                stack.enter_context(beside(fake))  # type: ignore[arg-type]
            yield

    # The server

    def _spawn(self) -> Popen[str]:
        ears, brain, voice = self._vendors
        environment = {
            "DEEPGRAM_BASE_URL": ears.url,
            "OPENAI_BASE_URL": brain.url,
            "ELEVENLABS_BASE_URL": voice.url,
            **{f"{vendor}_API_KEY": "of the fake" for vendor in ("DEEPGRAM", "OPENAI", "ELEVENLABS")},
        }
        log = self.data_dir / f"server-{sum(self.kills.values())}.log"
        more = {"recording": "true", "allow_private_addresses": "true", **environment}
        return spawned(self.data_dir, self.database_url, log, module=self.module, **more)

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[Popen[str]]:
        process = await asyncio.to_thread(self._spawn)
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            assert line.startswith("Dialtone listens on "), line
            self.url = line.split()[-1]
            yield process
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.url}/api/v1{path}", json=body) as answer,
        ):
            return answer.status, await answer.json()

    async def prepare(self) -> None:
        async with self.alive():
            status, answer = await self.ask(
                "POST",
                "/assistants",
                {
                    "name": "Ada",
                    "first_message": "Good evening, how can I help you?",
                    "webhook_url": self.receiver.url,
                    "webhook_secret": SECRET,
                    "analysis_plan": {
                        "structured_data_plan": {"enabled": True, "schema": FINDINGS},
                        "min_messages_threshold": 1,
                    },
                },
            )
            assert status == 201, answer
            self.assistant = answer["assistant"]["id"]
            periods = {"content_retention_days": 30, "metadata_retention_days": 365}
            status, answer = await self.ask("PATCH", "/organizations", periods)
            assert status == 200, answer

    # Its lives

    async def live_and_die(self) -> None:
        """From a start to SIGKILL at a random moment."""
        early, seconds = self.random.random() < EARLY_KILLS, self.random.uniform(0.0, LONGEST_LIFE_SECONDS)
        if early and self.answered:
            process = await asyncio.to_thread(self._spawn)
            await asyncio.sleep(self.random.uniform(SHORTEST_START_SECONDS, 2.0))
            self.kills["starting" if process.poll() is None else "ended"] += 1
            process.kill()
            await asyncio.to_thread(process.communicate)
        else:
            async with self.alive() as process:
                # At first it lives until somebody got through, however slow the machine is.
                await self.work_and_die(process, seconds, at_least=0 if self.answered else CALLERS)
        await asyncio.to_thread(self._let_time_pass)

    async def work_and_die(self, process: Popen[str], seconds: float, at_least: int = 0) -> None:
        """`at_least`: how many calls are answered before."""
        work = [asyncio.create_task(self._call_again_and_again()) for _ in range(CALLERS)]
        work.append(asyncio.create_task(self._erase_again_and_again()))
        await asyncio.sleep(seconds)
        async with asyncio.timeout(60):
            while len(self.answered) < at_least:  # noqa: ASYNC110 - calls tell nobody
                await asyncio.sleep(0.1)
        self.kills["running" if process.poll() is None else "ended"] += 1
        process.kill()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    async def _call_again_and_again(self) -> None:
        while True:
            with contextlib.suppress(WebCallError, aiohttp.ClientError, OSError):
                await self._call()
            await asyncio.sleep(0.02)

    async def _call(self) -> None:
        async with WebCallClient(self.url, KEY, MULAW_8K) as call:
            await call.start({"assistant_id": self.assistant})
            self.answered.add(call.call_id)
            loop = asyncio.get_running_loop()
            start, frames = loop.time(), int(self.random.uniform(0.1, LONGEST_CALL_SECONDS) / FRAME_SECONDS)
            for number in range(frames):
                frame = SPEECH[number * 160 : (number + 1) * 160]
                await call.send(frame.ljust(160, b"\xff"))
                await asyncio.sleep(start + (number + 1) * FRAME_SECONDS - loop.time())
            await call.hang_up()
            async for _ in call.events():
                pass

    async def _erase_again_and_again(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                number = f"+3161{self.random.randrange(10**7):07}"
                message = {"contact_id": number, "channel": "sms", "role": "user", "content": f"I am {number}"}
                await self.ask("POST", "/chats", message)
                status, answer = await self.ask("POST", "/privacy/erase", {"phone_number": number})
                if status == 202:
                    self.erasures[answer["erasure"]["id"]] = number
            await asyncio.sleep(0.2)

    def _let_time_pass(self) -> None:
        """A few of the reported calls become old, and it is night."""
        reported = sorted(self.reports().keys() - set(self.aged))
        for call_id in self.random.sample(reported, min(2, len(reported))):
            # Each a little younger than the one before: retention goes through the calls by age.
            age = OLD_DAYS * 86_400 - len(self.aged)
            created = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - age))
            zone = ".000000" if self.database_url is None else "+00"
            stored_id = call_id.replace("-", "") if self.database_url is None else call_id
            self.rows.ask("UPDATE calls SET created_at = ? WHERE id = ?", created + zone, stored_id)
            self.aged.append(call_id)
        self._due_now("kind = 'retention' AND state = 'waiting'")

    def _due_now(self, condition: str) -> None:
        past = "2026-01-01 00:00:00" + (".000000" if self.database_url is None else "+00")
        self.rows.ask(f"UPDATE jobs SET due_at = ? WHERE {condition}", past)

    # In the end

    @contextlib.asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """One last life, quiet, in which all work is done. What waits is due before it begins: a server that is alone
        looks only once a minute for what it was not told of.
        """
        self.calm = True
        await asyncio.to_thread(
            self._due_now, "state = 'waiting' AND once_key IS NULL OR kind = 'retention' AND state = 'waiting'"
        )
        async with self.alive():
            await self.until_done(SETTLE_SECONDS)
            yield

    async def until_done(self, seconds: float) -> None:
        """Until no call is under way and no job is left. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(self._unsettled):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.2)

    def _unsettled(self) -> bool:
        return bool(self.in_progress() or self.unfinished())

    def in_progress(self) -> list[tuple[Any, ...]]:
        return self.rows.ask("SELECT id FROM calls WHERE status = 'in-progress'")

    def unfinished(self) -> list[tuple[Any, ...]]:
        """Jobs other than those that repeat themselves and wait for their next time."""
        return self.rows.ask(
            "SELECT kind, state, attempts, reason FROM jobs WHERE NOT "
            "(state = 'waiting' AND once_key IS NOT NULL AND substr(once_key, 1, 6) = 'every ' AND due_at > ?)",
            "2026-06-01 00:00:00" + (".000000" if self.database_url is None else "+00"),
        )

    def events(self, kind: str, *statuses: str) -> dict[str, dict[str, list[Received]]]:
        """What the receiver got of one kind: by call, then by the id of the webhook."""
        found: dict[str, dict[str, list[Received]]] = defaultdict(lambda: defaultdict(list))
        for received in list(self.receiver.received):
            call = received.message["call"]
            if received.event == kind and (not statuses or call["status"] in statuses):
                found[call["id"]][received.id].append(received)
        return found

    def reports(self) -> dict[str, dict[str, list[Received]]]:
        return self.events("end-of-call-report")


def _reply(body: dict[str, Any]) -> Reply:
    """In a call and after it: what the model says is a finding too."""
    return Reply(json.dumps({"ok": True}), token_delay=0.005)
