"""What can go wrong in `dialtone.sip`."""


class SipError(Exception):
    """Base of all errors of this package. `str()` is meant for a log and names no caller."""


class ParseError(SipError, ValueError):
    """What came in is not what its grammar asks for."""


class TransportError(SipError):
    """A message could not be sent: no route, no connection, or the connection is gone."""


class UnknownCallError(SipError, KeyError):
    """A command named a call that has ended or never was."""


class WrongStateError(SipError):
    """A command does not fit what the call is doing, like answering a call that was answered."""
