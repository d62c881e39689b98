"""Who sent a call on, and why: as telephone systems and providers write it."""

import pytest

from dialtone.sip.diversions import MAX_DIVERSIONS, diversions_of
from dialtone.sip.events import Identity, IncomingCall
from dialtone.sip.message import Request
from tests.sip.stage import phone, run
from tests.sip.wire import wire


def invite(*lines: tuple[str, str]) -> Request:
    fields: dict[str, list[str]] = {}
    for name, value in lines:
        fields.setdefault(name, []).append(value)
    return Request("INVITE", "sip:desk@example.com", fields)


def seen(request: Request) -> list[tuple[str, str, bool]]:
    return [(each.by.number, each.reason, each.is_private) for each in diversions_of(request)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            ['"Bob" <sip:+31201@example.com;user=phone>;reason=no-answer;counter=1'],
            [("+31201", "no-answer", False)],
        ),
        (["<tel:+31201>;reason=user-busy"], [("+31201", "user-busy", False)]),
        (["sip:+31201@example.com;reason=Unconditional"], [("+31201", "unconditional", False)]),
        (['<sip:+31201@example.com>;reason="time-of-day"'], [("+31201", "time-of-day", False)]),
        (["<sip:+31201@example.com>"], [("+31201", "unknown", False)]),
        (['<sip:+31201@example.com>;reason="Ms Jones is ill"'], [("+31201", "unknown", False)]),
        (["<sip:+31201@example.com>;reason=away;privacy=full"], [("+31201", "away", True)]),
        (['<sip:+31201@example.com>;reason=away;privacy="off"'], [("+31201", "away", False)]),
        (  # the topmost is the last
            ["<sip:+2@a.example>;reason=no-answer, <sip:+1@a.example>;reason=user-busy"],
            [("+1", "user-busy", False), ("+2", "no-answer", False)],
        ),
        (
            ["<sip:+2@a.example>;reason=no-answer", "nonsense <", "<sip:+1@a.example>;reason=user-busy"],
            [("+1", "user-busy", False), ("+2", "no-answer", False)],
        ),
        (['"unclosed <sip:+1@a.example>'], []),
    ],
)
def test_diversion(values: list[str], found: list[tuple[str, str, bool]]) -> None:
    assert seen(invite(*(("diversion", value) for value in values))) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (  # RFC 7544 section 7: the cause is at whom it was sent on to
            [
                "<sip:+1@a.example>;index=1",
                "<sip:+2@a.example;cause=302>;index=1.1;mp=1",
                "<sip:+3@a.example;cause=408>;index=1.1.1;mp=1.1",
            ],
            [("+1", "unconditional", False), ("+2", "no-answer", False)],
        ),
        (  # several lines, a way within a network in between, and somebody who wants to stay unknown
            [
                "<sip:+1@a.example?Privacy=history>;index=1, <sip:+1@b.example>;index=1.1;rc=1",
                "<sip:+2@b.example;cause=486>;index=1.1.1;mp=1",
            ],
            [("+1", "user-busy", True)],
        ),
        (  # RFC 4244
            [
                "<sip:+1@a.example?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22>;index=1",
                "<sip:+2@a.example?Reason=Q.850%3Bcause%3D17>;index=1.1",
                "<sip:+3@a.example>;index=1.2",
            ],
            [("+1", "unconditional", False), ("+2", "user-busy", False)],
        ),
        (["<sip:+1@a.example>;index=1", "<sip:+1@b.example>;index=1.1"], []),
        (["<sip:+1@a.example>;index=1", "<sip:+2@a.example;cause=x>;index=1.1"], [("+1", "unknown", False)]),
        (["<sip:+1@a.example;cause=302>;index=1"], []),
    ],
)
def test_history(values: list[str], found: list[tuple[str, str, bool]]) -> None:
    assert seen(invite(*(("history-info", value) for value in values))) == found


def test_diversion_counts_where_both_are_there_and_what_is_kept_is_bounded() -> None:
    history = ("history-info", "<sip:+8@a.example>;index=1, <sip:+9@a.example;cause=302>;index=1.1;mp=1")
    assert seen(invite(history, ("diversion", "<sip:+1@a.example>;reason=away"))) == [("+1", "away", False)]
    many = ", ".join(f"<sip:+{number}@a.example>" for number in range(50))
    assert len(seen(invite(("diversion", many)))) == MAX_DIVERSIONS


def test_a_call_that_comes_in_tells_it() -> None:
    async def main() -> None:
        async with wire() as proxy, phone() as alice:
            proxy.send(proxy.new("INVITE", diversion='"Bob" <sip:+31201@a.example>;reason=no-answer'), alice)
            [diversion] = (await alice.expect(IncomingCall)).diversions
            assert diversion.by == Identity("sip:+31201@a.example", "Bob", "+31201")
            assert (diversion.reason, diversion.is_private) == ("no-answer", False)

    run(main())
