"""A fake mail server. From RFC 5321 (SMTP), RFC 4954 (AUTH) and RFC 3207 (STARTTLS)."""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


@dataclass
class Taken:
    """One mail that was taken."""

    user: str | None
    secure: bool
    sender: str
    recipients: list[str]
    message: EmailMessage


@dataclass
class FakeSmtp:
    """Takes mails. `answers`: what is said to the next RCPT commands in place of 250; None drops the connection."""

    tls: ssl.SSLContext | None = None
    """Offers STARTTLS with it."""
    password: str = "mail secret"
    answers: list[str | None] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    sessions: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, count: int) -> list[Taken]:
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.taken) >= count)
        return self.taken[:count]

    async def until_sessions(self, count: int) -> None:
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: self.sessions >= count)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            async with self.arrived:
                self.sessions += 1
                self.arrived.notify_all()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        user: str | None = None
        secure, sender, recipients = False, "", list[str]()
        await say("220 mail.example ESMTP")
        while line := (await reader.readline()).decode().strip():
            command, _, rest = line.partition(" ")
            match command.upper():
                case "EHLO" | "HELO":
                    offers = "250-STARTTLS\r\n" if self.tls and not secure else ""
                    await say(f"250-mail.example\r\n{offers}250-8BITMIME\r\n250 AUTH PLAIN")
                case "STARTTLS":
                    await say("220 go ahead")
                    assert self.tls is not None
                    await writer.start_tls(self.tls)
                    secure = True
                case "AUTH":
                    _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    good = password == self.password
                    user = name if good else None
                    await say("235 welcome" if good else "535 5.7.8 no such user")
                case "MAIL":
                    sender, recipients = _address(rest), []
                    await say("250 ok")
                case "RCPT":
                    answer = self.answers.pop(0) if self.answers else "250 ok"
                    if answer is None:
                        return
                    recipients.append(_address(rest))
                    await say(answer)
                case "DATA":
                    await say("354 go ahead")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    body = body.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
                    message = message_from_bytes(body, policy=policy.default)
                    assert isinstance(message, EmailMessage)
                    await say("250 taken")
                    async with self.arrived:
                        self.taken.append(Taken(user, secure, sender, recipients, message))
                        self.arrived.notify_all()
                case "RSET":
                    await say("250 ok")
                case "QUIT":
                    await say("221 bye")
                    return
                case _:
                    await say("500 what?")


def _address(rest: str) -> str:
    return rest[rest.index("<") + 1 : rest.index(">")]
