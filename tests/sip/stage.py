"""Two user agents on real sockets and in virtual time, and what a test needs to watch them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dialtone.sip.admission import Accept, Admission, Admit, RequestFacts
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Answered, Confirmed, Event, Identity, IncomingCall, OutgoingCall
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, answer_offer, make_offer
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.sip.user_agent import UserAgent
from tests.conversation.virtual_time import run

__all__ = ["run"]

E = TypeVar("E", bound=Event)

AUDIO = AudioOptions(srtp="off")
OFFER = make_offer(LocalAudio("192.0.2.1", 10000), AUDIO)
ANSWER = answer_offer(OFFER, LocalAudio("192.0.2.2", 20000), AUDIO)[0]


async def accept_all(facts: RequestFacts) -> Admission:
    return Accept("known")


class Phone:
    """A user agent with its events, in order."""

    def __init__(self, agent_of: Callable[[Callable[[Event], None]], UserAgent]) -> None:
        self.events: list[Event] = []
        self._seen = 0
        self._news = asyncio.Event()
        self.react: Callable[[Event], None] = lambda event: None
        """What to do at once with an event, before a test sees it."""
        self.patience = 5000.0
        """Seconds that an event is waited for; of virtual time, for the most part."""
        self.agent = agent_of(self._on_event)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self.react(event)

    async def eventually(self, kind: type[E]) -> E:
        """The next event of this kind; what comes before it is passed over."""
        while not isinstance(event := await self.expect(Event), kind):
            pass
        return event

    async def expect(self, kind: type[E]) -> E:
        """The next event, which must be of this kind."""
        async with asyncio.timeout(self.patience):
            while len(self.events) <= self._seen:
                self._news.clear()
                await self._news.wait()
        event = self.events[self._seen]
        self._seen += 1
        assert isinstance(event, kind), f"{event} instead of {kind.__name__}"
        return event

    @property
    def unseen(self) -> list[Event]:
        return self.events[self._seen :]

    def uri(self, user: str = "bob", transport: str = "udp") -> str:
        port = next(address[1] for kind, address in self.agent.listening_on() if kind == transport)
        host = next(address[0] for kind, address in self.agent.listening_on() if kind == transport)
        written = f"[{host}]" if ":" in host else host
        return f"sip:{user}@{written}:{port}" + ("" if transport == "udp" else f";transport={transport}")


@asynccontextmanager
async def phone(
    *,
    host: str = "127.0.0.1",
    transports: tuple[str, ...] = ("udp",),
    admit: Admit = accept_all,
    certificate: ssl.SSLContext | None = None,
    tls_client: ssl.SSLContext | None = None,
    allow_failures: bool = False,
    **options: Any,
) -> AsyncIterator[Phone]:
    listeners = tuple(Listener(transport, host, 0, certificate) for transport in transports)  # type: ignore[arg-type]
    settings = Options(TransportOptions(listeners, tls_client=tls_client), **options)
    made = Phone(lambda on_event: UserAgent(settings, on_event, admit))
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    await made.agent.open()
    try:
        yield made
    finally:
        await made.agent.close()
    assert failures == [] or allow_failures


def order(target: str, offer: str | None = OFFER, **more: Any) -> OutgoingCall:
    return OutgoingCall(target, Identity("sip:+31201234567@example.com", "Alice"), offer, **more)


async def connected(alice: Phone, bob: Phone, target: str | None = None, **more: Any) -> tuple[str, str]:
    """A call from alice to bob that both have confirmed; its name at either side."""
    ours = alice.agent.invite(order(target or bob.uri(), **more))
    theirs = (await bob.expect(IncomingCall)).call
    bob.agent.answer(theirs, ANSWER)
    await alice.expect(Answered)
    await bob.expect(Confirmed)
    return ours, theirs
