"""A telephone line on real sockets and in virtual time, its far end a user agent that says what the test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from dialtone.lines.base import TransferError
from dialtone.lines.sip.incoming import IncomingSipCall, RefusedError
from dialtone.lines.sip.line import SipLine
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.clock import MediaClock
from dialtone.media.rtp.ports import PortPool
from dialtone.sip.endpoint import Options
from dialtone.sip.events import (
    Answered,
    Ended,
    Event,
    IncomingCall,
    OfferAnswered,
    OfferRefused,
    ReferReceived,
    TransferProgress,
)
from dialtone.sip.flow import Transport
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, make_offer
from dialtone.sip.transports import Listener, TransportOptions
from tests.sip.stage import AUDIO, OFFER, Phone, accept_all, order, phone, run
from tests.sip.wire import wire

PAIRS = 50


@dataclass
class Owner:
    frames: int = 0
    keys: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    closed: list[tuple[str, bool]] = field(default_factory=list)
    replaced: int = 0

    def on_audio(self, audio: bytes) -> None:
        self.frames += 1

    def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)

    def on_mark(self, name: str) -> None:
        self.marks.append(name)

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def on_replaced(self) -> None:
        self.replaced += 1

    def on_closed(self, reason: str, *, failed: bool) -> None:
        self.closed.append((reason, failed))


@dataclass
class Stage:
    far: Phone
    call: str
    line: SipLine
    owner: Owner
    ports: PortPool
    arrived: "asyncio.Queue[IncomingSipCall]"
    near: SipPhone


@asynccontextmanager
async def answered(
    *,
    transports: tuple[Transport, ...] = ("udp",),
    far_reacts: Callable[[Phone, Event], None] = lambda far, event: None,
) -> AsyncIterator[Stage]:
    """A call that the far end has placed by the first of the transports, and that is a line now."""
    arrived: asyncio.Queue[IncomingSipCall] = asyncio.Queue()
    ports = PortPool(36000, 36000 + 2 * PAIRS - 1)

    def on_call(near: SipPhone, invitation: IncomingCall) -> None:
        arrived.put_nowait(IncomingSipCall(near, invitation))

    options = Options(TransportOptions(tuple(Listener(transport, "127.0.0.1", 0) for transport in transports)))
    near = SipPhone(options, ports, MediaClock(), accept_all, on_call)
    await near.open()
    async with phone(transports=transports) as far:
        far.react = lambda event: far_reacts(far, event)
        call = far.agent.invite(order(uri_of(near, transports[0])))
        coming = await arrived.get()
        coming.ring()
        coming.prepare()
        line = await coming.answer(SipServer("desk.example.com", 5060))
        await far.eventually(Answered)
        owner = Owner()
        line.attach(owner)
        yield Stage(far, call, line, owner, ports, arrived, near)
        await line.close("assistant_hangup")
        await near.close()
        assert near.calls == 0
    assert ports.free == PAIRS


def uri_of(near: SipPhone, transport: str = "udp") -> str:
    port = next(address[1] for kind, address in near.listening_on() if kind == transport)
    return f"sip:bob@127.0.0.1:{port};transport={transport}"


def hangs_up_once_answered(far: Phone, event: Event) -> None:
    """Its ACK and its BYE arrive together where they share a connection."""
    if isinstance(event, Answered):
        far.agent.hangup(event.call)


def test_a_far_end_that_hangs_up_with_its_acknowledgement_ends_the_call() -> None:
    async def scenario() -> None:
        async with answered(transports=("tcp",), far_reacts=hangs_up_once_answered) as stage:
            await asyncio.sleep(0.5)
            assert stage.owner.closed == [("The far end hung up.", False)]

    run(scenario())


def test_an_offer_that_comes_with_the_acknowledgement_is_answered() -> None:
    moved = make_offer(LocalAudio("192.0.2.1", 10010), AUDIO, OFFER)

    def moves_at_once(far: Phone, event: Event) -> None:
        if isinstance(event, Answered):
            far.agent.offer(event.call, moved)

    async def scenario() -> None:
        async with answered(transports=("tcp",), far_reacts=moves_at_once) as stage:
            before = asyncio.get_running_loop().time()
            assert (await stage.far.expect(OfferAnswered)).call == stage.call
            assert asyncio.get_running_loop().time() - before < 0.5
            assert stage.line.ticked._parameters.remote == ("192.0.2.1", 10010)

    run(scenario())


def test_an_offer_that_comes_before_the_acknowledgement_is_answered() -> None:
    async def scenario() -> None:
        async with answered() as stage, wire() as far:
            port = stage.near.listening_on()[0][1][1]
            far.send(far.new("INVITE", body=OFFER), port)
            coming = await stage.arrived.get()
            coming.prepare()
            answering = asyncio.ensure_future(coming.answer(stage.line.server))
            await far.response(100)
            to = (await far.response(200)).lines("to")[0]
            moved = make_offer(LocalAudio("192.0.2.1", 10010), AUDIO, OFFER)
            far.send(far.new("UPDATE", number=2, body=moved, to=to), port)
            assert (await far.response(200)).cseq[1] == "UPDATE"
            far.send(far.new("ACK", to=to), port)
            line = await answering
            assert line.ticked._parameters.remote == ("192.0.2.1", 10010)
            await line.close("assistant_hangup")
            far.send(far.answer(await far.request("BYE"), 200), port)

    run(scenario())


def test_an_answer_that_is_given_up_while_it_is_acknowledged_leaves_nothing() -> None:
    async def scenario() -> None:
        async with answered() as stage, phone() as other:
            other.agent.invite(order(uri_of(stage.near)))
            coming = await stage.arrived.get()
            coming.prepare()
            answering = asyncio.ensure_future(coming.answer(stage.line.server))
            coming._line.add_done_callback(lambda _: answering.cancel())
            await asyncio.wait([answering])
            assert answering.cancelled()
            await other.eventually(Answered)
            assert (await other.expect(Ended)).by == "them"
            assert (stage.near.calls, stage.ports.free) == (1, PAIRS - 1)

    run(scenario())


def test_a_far_end_without_audio_ends_the_call() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            assert (await stage.far.expect(Ended)).by == "them"
            assert stage.owner.closed == [("No audio came from the far end for 60 s.", True)]
            assert stage.owner.frames >= 2990  # silence, at every tick

    run(scenario())


def test_keys_come_once_whichever_ways_they_are_sent() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            stage.far.agent.send_info(stage.call, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
            stage.far.agent.send_info(stage.call, "application/dtmf", b"#")
            stage.far.agent.send_info(stage.call, "application/dtmf", b"no key at all")
            await asyncio.sleep(0.5)
            stage.line.on_dtmf("#")  # as its packets tell
            await asyncio.sleep(2)
            stage.line.on_dtmf("#")
            assert stage.owner.keys == ["5", "#", "#"]

    run(scenario())


def test_a_codec_of_another_format_is_refused_and_the_call_goes_on() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            wideband = make_offer(LocalAudio("192.0.2.1", 10000), AudioOptions(("G722",), "off"))
            stage.far.agent.offer(stage.call, wideband)
            assert (await stage.far.expect(OfferRefused)).status == 488
            assert stage.owner.closed == []

    run(scenario())


def test_a_mark_is_reached_when_all_was_sent_and_the_end_leaves_a_note() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            stage.line.send_mark("a")
            await asyncio.sleep(0.1)
            assert stage.owner.marks == ["a"]
            await stage.line.close("assistant_hangup")
            assert (await stage.far.expect(Ended)).by == "them"
            [note] = stage.owner.notes
            assert note.startswith("audio: PC")
            assert stage.owner.closed == []

    run(scenario())


def test_a_caller_who_leaves_after_the_transfer_is_not_told_as_gone() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            transfer = asyncio.ensure_future(stage.line.transfer("+31207654321"))
            refer = await stage.far.expect(ReferReceived)
            assert refer.target == "sip:+31207654321@desk.example.com:5060"
            stage.far.agent.accept_refer(stage.call)
            stage.far.agent.hangup(stage.call)  # as many systems do, without a last word
            await transfer
            assert stage.owner.closed == []

    run(scenario())


def test_a_caller_who_leaves_before_the_transfer_was_taken_has_hung_up() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            transfer = asyncio.ensure_future(stage.line.transfer("+31207654321"))
            await asyncio.sleep(0)
            stage.far.agent.hangup(stage.call)  # crosses the REFER
            with pytest.raises(TransferError, match="the caller hung up"):
                await transfer
            assert stage.owner.closed == [("The far end hung up.", False)]

    run(scenario())


def test_a_transfer_that_nobody_tells_the_end_of_can_be_tried_again() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            stage.far.agent.hold(stage.call, "inactive")  # so that no audio is missed
            await stage.far.expect(OfferAnswered)
            transfer = asyncio.ensure_future(stage.line.transfer("+31207654321"))
            await stage.far.expect(ReferReceived)
            stage.far.agent.accept_refer(stage.call)
            with pytest.raises(TransferError, match="did not say within 60 s"):
                await transfer
            stage.far.agent.notify_refer(stage.call, 180)  # to which it hears that nobody listens any more
            await asyncio.sleep(0.5)
            transfer = asyncio.ensure_future(stage.line.transfer("+31207654322"))
            assert (await stage.far.expect(ReferReceived)).target.startswith("sip:+31207654322@")
            stage.far.agent.accept_refer(stage.call)
            stage.far.agent.notify_refer(stage.call, 200)
            await transfer
            assert stage.owner.closed == []

    run(scenario())


def test_the_far_end_cannot_have_us_call_somebody() -> None:
    async def scenario() -> None:
        async with answered() as stage:
            stage.far.agent.refer(stage.call, "sip:+31209999999@desk.example.com")
            progress = await stage.far.expect(TransferProgress)
            assert (progress.status, progress.outcome) == (603, "refused")
            assert stage.owner.closed == []

    run(scenario())


def replaces(stage: Stage) -> str:
    """What the far end's telephone system tells another telephone of the call."""
    dialog = stage.far.agent._session(stage.call).dialog
    assert dialog is not None
    return dialog.replaces


def test_another_telephone_takes_the_place_of_the_far_end() -> None:
    async def scenario() -> None:
        async with answered() as stage, phone() as other:
            target = uri_of(stage.near)
            call = other.agent.invite(order(target, replaces=replaces(stage)))
            await (await stage.arrived.get()).take_over()
            await other.eventually(Answered)
            assert (await stage.far.expect(Ended)).by == "them"
            other.agent.send_info(call, "application/dtmf-relay", b"Signal=5\r\n")
            await asyncio.sleep(0.5)
            assert stage.owner.keys == ["5"]
            assert (stage.owner.closed, stage.owner.replaced) == ([], 1)
            assert len(stage.owner.notes) == 1
            frames = stage.owner.frames
            await asyncio.sleep(1)
            assert stage.owner.frames - frames == pytest.approx(50, abs=1)
            other.agent.hangup(call)
            await asyncio.sleep(0.5)
            assert stage.owner.closed == [("The far end hung up.", False)]

    run(scenario())


def test_a_successor_who_hangs_up_with_its_acknowledgement_ends_the_call() -> None:
    async def scenario() -> None:
        async with answered(transports=("udp", "tcp")) as stage, phone(transports=("tcp",)) as other:
            other.react = lambda event: hangs_up_once_answered(other, event)
            other.agent.invite(order(uri_of(stage.near, "tcp"), replaces=replaces(stage)))
            await (await stage.arrived.get()).take_over()
            assert (stage.owner.closed, stage.owner.replaced) == ([("The far end hung up.", False)], 0)

    run(scenario())


def test_a_line_that_is_closed_before_its_successor_is_there_ends_both_calls() -> None:
    async def scenario() -> None:
        async with answered() as stage, phone() as other:
            other.agent.invite(order(uri_of(stage.near), replaces=replaces(stage)))
            coming = await stage.arrived.get()
            taking = asyncio.ensure_future(coming.take_over())
            await asyncio.sleep(0)
            await stage.line.close("assistant_hangup")
            await taking
            await other.eventually(Answered)
            assert (await other.expect(Ended)).by == "them"

    run(scenario())


def test_a_call_is_not_taken_over_in_another_format_or_by_strangers() -> None:
    async def scenario() -> None:
        async with answered() as stage, phone() as other:
            target = uri_of(stage.near)
            wideband = make_offer(LocalAudio("192.0.2.1", 10000), AudioOptions(("G722",), "off"))
            stage.line._negotiation.peer, true = "192.0.2.9", stage.line._negotiation.peer
            for offer, status, peer in ((wideband, 488, true), (OFFER, 603, "192.0.2.9")):
                stage.line._negotiation.peer = peer
                other.agent.invite(order(target, offer, replaces=replaces(stage)))
                with pytest.raises(RefusedError) as refusal:
                    await (coming := await stage.arrived.get()).take_over()
                assert refusal.value.status == status
                coming.reject(status)
                await other.eventually(Ended)
            assert stage.owner.closed == []

    run(scenario())


def test_a_successor_who_gives_up_ends_the_call() -> None:
    async def scenario() -> None:
        async with answered() as stage, phone() as other:
            target = uri_of(stage.near)
            other.agent.invite(order(target, replaces=replaces(stage)))
            coming = await stage.arrived.get()
            taking = asyncio.ensure_future(coming.take_over())
            await asyncio.sleep(0)
            taking.cancel()
            await asyncio.wait([taking])
            assert stage.owner.closed == [("The far end hung up.", False)]

    run(scenario())
