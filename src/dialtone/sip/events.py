"""What the user agent tells its owner, and what it is given: plain data, so that they may live in different processes.

`call` is the name that the user agent gives a call; commands take it back.
"""

from dataclasses import dataclass, field
from typing import Literal

from dialtone.sip.errors import Obstacle
from dialtone.sip.flow import SocketAddress, Target, Transport


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody says to be."""

    uri: str
    display_name: str = ""
    number: str = ""
    """The user part without escapes: a telephone number where it is one."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why nobody has answered a request of ours. The status beside it is one that nobody sent: 408 or 503 (RFC 3261
    section 8.1.3.1).
    """

    obstacle: Obstacle
    host: str
    """Of the URI that it was for: a name, or an IP address without brackets."""
    transport: Transport | None = None
    server: SocketAddress | None = None
    """The server that was tried, the first one where there were several; None where none was found."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a call ended, as a Reason header says it (RFC 3326)."""

    protocol: str
    """`SIP` with a status, or `Q.850` with a cause of the telephone network."""
    code: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Diversion:
    """Somebody was called, and the call was sent on to somebody else."""

    by: Identity
    reason: str
    """As the Diversion header names it: `user-busy`, `no-answer`, `unconditional`, `unknown` ..."""
    is_private: bool = False
    """Who it was must not be shown."""


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """Somebody calls. Wants `ring`, `answer` or `reject`."""

    call: str
    tag: str
    """What `admit` accepted the caller as."""
    source: str
    """IP address that the INVITE came from."""
    transport: Transport
    caller: Identity
    called: Identity
    """Of the To header."""
    request_uri: str
    """What was really asked for; behind a forwarding it differs from `called`."""
    asserted: Identity | None
    """P-Asserted-Identity (RFC 3325): worth what the peer is trusted."""
    diversions: tuple[Diversion, ...]
    """Who sent the call on, the first one first (Diversion, else History-Info)."""
    offer: str | None
    """The caller's session description. None: the answer to the call must offer one (late offer)."""
    replaces: str | None
    """The call that this one takes the place of once it is answered (RFC 3891)."""
    referred_by: str | None
    max_forwards: int
    """Hops left; a call that is passed on takes one less."""
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Headers beginning with `X-`, by name in lower case."""
    called_party: Identity | None = None
    """P-Called-Party-ID (RFC 7315): who was called, where a registrar put the registered address in its place."""
    privacy: frozenset[str] = frozenset()
    """What the caller wants withheld (Privacy, RFC 3323 section 4.2): `id`, `user`, `header` ..., in lower case."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """Somebody who was challenged did not know the password of the user that they named."""

    tag: str
    """Of the `Challenge`."""
    source: str
    """IP address that the request came from."""
    source_port: int


@dataclass(frozen=True, slots=True)
class Ringing:
    """Our call got a provisional answer, 180 to 183 for the most part."""

    call: str
    status: int
    reason: str
    description: str | None
    """Their session description, for sound before the answer."""
    wants_answer: bool = False
    """`description` is an offer; `answer_offer` takes the answer."""
    fork: str = ""
    """Which of those whom a call rang this is: the tag of their dialog. Each negotiates for itself."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Our call was answered."""

    call: str
    description: str | None
    """Their answer to our offer, also where it came with `Ringing` already; None where an offer of theirs was answered
    before."""
    wants_answer: bool = False
    """`description` is an offer, since ours was not made; `answer_offer` takes the answer."""
    fork: str = ""
    """Who of those whom the call rang has answered; what the others negotiated is void."""
    source: str = ""
    """IP address that the answer came from."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The caller has acknowledged that we answered."""

    call: str
    description: str | None
    """The answer to our offer, where the caller had made none."""


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """The other side wants other media within a call: holds, resumes, moves. Wants `answer_offer` or `refuse_offer`."""

    call: str
    description: str | None
    """None: we are asked for an offer, whose answer comes as `OfferAnswered`."""
    fork: str = ""
    """Who of those whom our call rings, while it is not answered."""


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """Our offer within a call was taken."""

    call: str
    description: str | None


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """Our offer within a call was refused; all stays as it was."""

    call: str
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """Something was sent within a call (RFC 6086), key presses in `application/dtmf-relay` for example."""

    call: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ReferReceived:
    """The other side wants the call handed to somebody. Wants `accept_refer` or `reject_refer`."""

    call: str
    target: str
    """A URI without headers."""
    replaces: str | None
    """The Replaces header to call with, for an attended transfer."""
    referred_by: str | None


TransferOutcome = Literal["succeeded", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """How a transfer that we asked for goes on."""

    call: str
    status: int
    """What the other side told last: 100 and up while it is tried, 200 when it has reached the target."""
    reason: str
    outcome: TransferOutcome | None = None
    """None while it is tried. `succeeded`: also where the other side hung up while it tried. `failed`: also where it
    stopped telling before it worked. `refused`: it will not be tried, the REFER itself was answered so."""


EndedBy = Literal["us", "them", "refused", "cancelled", "unanswered", "replaced", "failed"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A call is over. The last event of every call, and it comes exactly once."""

    call: str
    by: EndedBy
    """`refused`: our call, with `status`. `cancelled`: before its answer, by the caller. `unanswered`: nobody took it
    in time. `failed`: the other side is not to be reached any more."""
    status: int
    """The SIP status of a call that was never answered; 0 for any other."""
    reason: str
    cause: Cause | None = None
    retry_after: int | None = None
    """Seconds after which it may be tried again, if they said so."""
    contacts: tuple[str, ...] = ()
    """Where else to call (3xx)."""
    no_answer: NoAnswer | None = None
    """Set where nobody answered our call at all."""


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """A registration was made, refreshed after it had failed, refused or given up."""

    name: str
    registered: bool
    status: int
    """The last answer."""
    reason: str
    expires: int
    """Seconds until it is refreshed at the latest, or tried again."""
    no_answer: NoAnswer | None = None
    """Set where none came."""


@dataclass(frozen=True, slots=True)
class PeerChanged:
    """A peer that is asked by OPTIONS every now and then became reachable, or no longer is."""

    name: str
    reachable: bool
    status: int
    round_trip: float
    """Seconds of the last question."""
    no_answer: NoAnswer | None = None
    """Set where nobody answered it."""


Event = (
    IncomingCall
    | LoginRefused
    | Ringing
    | Answered
    | Confirmed
    | OfferReceived
    | OfferAnswered
    | OfferRefused
    | InfoReceived
    | ReferReceived
    | TransferProgress
    | Ended
    | RegistrationChanged
    | PeerChanged
)


@dataclass(frozen=True, slots=True)
class Account:
    """How to log in at somebody's server."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """A call to place."""

    target: str
    """A SIP URI: whom to call, and by its host and parameters where to."""
    caller: Identity
    offer: str | None
    """Our session description; None lets the other side offer."""
    account: Account | None = None
    proxy: str | None = None
    """A SIP URI of the server that takes all requests, where that is not the target's."""
    servers: tuple[Target, ...] = ()
    """The server or the target's, where it was found already (`UserAgent.find`), best first: a description of ours
    names an address of one family, which is no use to a server that is reached over the other."""
    contact_user: str = ""
    asserted: str | None = None
    """A URI for P-Asserted-Identity, for trunks that want to be told who calls."""
    preferred: str | None = None
    """A URI for P-Preferred-Identity, for those that know their customers by From and ask here for the number."""
    privacy: bool = False
    """Ask that the caller is not shown (RFC 3323)."""
    diversion: str | None = None
    replaces: str | None = None
    """The value of a Replaces header."""
    referred_by: str | None = None
    max_forwards: int = 70
    ring_seconds: float = 180.0
    patience: float | None = None
    """Seconds that each server has for its first answer, be it 100 Trying, where that is less than RFC 3261's 32."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers, beginning with `X-`."""
