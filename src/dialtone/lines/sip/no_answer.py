"""Why a SIP server has not answered, in words: for records, events and the doctor alike."""

from dialtone.sip.errors import Obstacle
from dialtone.sip.events import NoAnswer

_WORDS: dict[Obstacle, str] = {
    "name_not_found": "the address of {} is not found",
    "no_route": "there is no way to {}",
    "connection_refused": "{} refused the connection",
    "connection_timeout": "{} took no connection in time",
    "connection_lost": "{} closed the connection without an answer",
    "certificate_untrusted": "the certificate of {} is not of an authority that this server trusts; "
    "SSL_CERT_FILE can name others",
    "certificate_expired": "the certificate of {} has expired, or does not count yet",
    "certificate_of_another": "the certificate of {} is for another name",
    "tls_failed": "{} does not agree with this server on TLS",
    "no_answer": "{} did not answer",
}


CERTIFICATE: tuple[Obstacle, ...] = ("certificate_untrusted", "certificate_expired", "certificate_of_another")


def why(no_answer: NoAnswer) -> str:
    """A part of a sentence, without its full stop. It names the server, and holds nothing that one has said."""
    return _WORDS[no_answer.obstacle].format(_place(no_answer))


def _place(no_answer: NoAnswer) -> str:
    if no_answer.server is None:
        return no_answer.host
    address, port = no_answer.server
    return f"{no_answer.host} ({no_answer.transport} {address} port {port})"
