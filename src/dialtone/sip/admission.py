"""Who may come in: the question that the user agent's owner answers for every request of a stranger."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dialtone.sip.flow import Transport


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is known of a request before anything is answered."""

    method: str
    source: str
    """The IP address it came from."""
    source_port: int
    transport: Transport
    request_uri: str
    to_uri: str
    username: str | None
    """Whom the request claims to come from by digest; not proven yet."""
    realm: str | None


@dataclass(frozen=True, slots=True)
class Accept:
    """Let it in. `tag` comes back with the call, to know who it was."""

    tag: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Let it in if it proves to know the password of `username`; without a password, ask for one.

    An unknown user is answered like a wrong password, so `password` None is right for both.
    """

    realm: str
    password: str | None = field(default=None, repr=False)
    tag: str = ""
    algorithms: tuple[str, ...] = ("MD5",)
    """In the order that they are offered in. `SHA-256` is for callers who are known to know it: many telephones give
    up where any line of a challenge names an algorithm other than MD5."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Do not answer at all: for whoever is not known."""


Admission = Accept | Challenge | Silence
Admit = Callable[[RequestFacts], Awaitable[Admission]]
