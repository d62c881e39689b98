"""What can go wrong in `dialtone.sip`."""

from typing import Literal

Obstacle = Literal[
    "name_not_found",
    "no_route",
    "connection_refused",
    "connection_timeout",
    "connection_lost",
    "certificate_untrusted",
    "certificate_expired",
    "certificate_of_another",
    "tls_failed",
    "no_answer",
]
"""Why a request of ours was not answered, as far as this end can tell."""


class SipError(Exception):
    """Base of all errors of this package. `str()` is meant for a log and names no caller."""


class ParseError(SipError, ValueError):
    """What came in is not what its grammar asks for."""


class TransportError(SipError):
    """A message could not be sent: no route, no connection, or the connection is gone."""

    def __init__(self, words: str, obstacle: Obstacle = "no_route") -> None:
        super().__init__(words)
        self.obstacle: Obstacle = obstacle


class UnknownCallError(SipError, KeyError):
    """A command named a call that has ended or never was."""


class WrongStateError(SipError):
    """A command does not fit what the call is doing, like answering a call that was answered."""
