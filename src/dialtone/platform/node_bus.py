"""Questions and answers between the processes of a deployment, through PostgreSQL's LISTEN and NOTIFY.

Every node listens on a channel of its own, with one connection that is opened again whenever it is lost. Messages are
plain data and pass through the database's memory only: what they hold is nowhere stored. A notification carries less
than 8000 bytes (https://www.postgresql.org/docs/current/sql-notify.html), so a longer message goes in parts, in one
transaction, which PostgreSQL delivers together and in order.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from sqlalchemy import text

from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

Data = dict[str, Any]

ANSWER_SECONDS = 3.0
PART_CHARACTERS = 7800
MAX_PARTS = 64
START_SECONDS = 5.0
"""How long a start waits until questions can come in; a database that is slower does not keep the server from
serving."""
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0
KEEPALIVE = {"connect_timeout": 5, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
"""A connection that died silently is noticed after half a minute."""

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")
_QUESTION, _ANSWER = "question", "answer"


class NodeUnreachableError(Exception):
    """The node did not answer in time. It may be gone, or may have done what it was asked all the same."""


class NodeBus:
    """One node's connection to the others. `answer` is called with each question and must return at once."""

    def __init__(self, database: Database, node: str, answer: Callable[[Data], Data]) -> None:
        """`node` is a UUID. Only for PostgreSQL."""
        self._database = database
        self._node = node
        self._answer = answer
        self._asked: dict[str, asyncio.Future[Data]] = {}
        self._parts_of = ""
        self._parts: list[str] = []
        self._listening = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, and keep listening."""
        self._spawn(self._keep_listening())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._listening.wait()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask(self, node: str, question: Data, seconds: float = ANSWER_SECONDS) -> Data:
        """The answer of another node. Raises `NodeUnreachableError`, and `ValueError` for a question too long."""
        question_id = uuid4().hex
        future: asyncio.Future[Data] = asyncio.get_running_loop().create_future()
        self._asked[question_id] = future
        try:
            async with asyncio.timeout(seconds):
                await self._listening.wait()  # or the answer could not be heard
                await self._send(node, question_id, _QUESTION, question)
                return await future
        except TimeoutError:
            raise NodeUnreachableError(f"node {node} did not answer within {seconds:g} s") from None
        finally:
            del self._asked[question_id]

    # Sending

    async def _send(self, node: str, question_id: str, kind: str, data: Data) -> None:
        # ASCII, so that a part can be cut anywhere and its characters are its bytes.
        written = json.dumps(data, separators=(",", ":"))
        parts = [written[start : start + PART_CHARACTERS] for start in range(0, len(written), PART_CHARACTERS)]
        if len(parts) > MAX_PARTS:
            raise ValueError(f"a message between nodes may have {MAX_PARTS * PART_CHARACTERS} characters")
        async with self._database.write() as session:
            for index, part in enumerate(parts, 1):
                payload = f"{question_id} {self._node} {kind} {index}/{len(parts)} {part}"
                await session.execute(_NOTIFY, {"channel": _channel(node), "payload": payload})

    async def _reply(self, node: str, question_id: str, answer: Data) -> None:
        try:
            await self._send(node, question_id, _ANSWER, answer)
        except Exception as problem:
            logger.warning("node %s could not be answered (%s)", node, type(problem).__name__)

    # Receiving

    async def _keep_listening(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as problem:
                if self._listening.is_set():
                    delay = FIRST_RETRY_SECONDS
                logger.warning("other nodes can't be heard (%s); retrying in %.1f s", type(problem).__name__, delay)
            finally:
                self._listening.clear()
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        _, arguments = self._database.engine.dialect.create_connect_args(self._database.url)
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **{**KEEPALIVE, **arguments})
        async with connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(_channel(self._node))))
            self._listening.set()
            async for notification in connection.notifies():
                self._take(notification.payload)

    def _take(self, payload: str) -> None:
        try:
            question_id, node, kind, place, part = payload.split(" ", 4)
            if question_id != self._parts_of:
                self._parts_of, self._parts = question_id, []
            self._parts.append(part)
            if place != f"{len(self._parts)}/{len(self._parts)}":
                return
            data, self._parts_of = json.loads("".join(self._parts)), ""
            if kind == _QUESTION:
                self._spawn(self._reply(node, question_id, self._answer(data)))
            elif (future := self._asked.get(question_id)) is not None and not future.done():
                future.set_result(data)
        except Exception as problem:
            # Not the message itself: it may hold what was said in a call.
            logger.error("a message of another node could not be read (%s)", type(problem).__name__)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _channel(node: str) -> str:
    return f"dialtone_node_{UUID(node).hex}"
