"""The journal of one live call, kept in the database."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal, cast

from sqlalchemy import Table, Update, bindparam, select

from dialtone.calls.costs import Costing
from dialtone.calls.ending import Beginning, End, Endings
from dialtone.calls.kept import Kept
from dialtone.calls.status import ENDED, FAILED, IN_PROGRESS, RINGING, TRANSFERRED
from dialtone.calls.tables import Call, CallMessage, CallTurn
from dialtone.calls.writer import CallWriter, Work
from dialtone.conversation.journal import Ending, EndReason, TurnLatency
from dialtone.organizations.credit import charge
from dialtone.platform.db import now
from dialtone.platform.rows import insert_missing
from dialtone.platform.tenancy import OWNER, change_owned, given, owned_by
from dialtone.providers.use import VendorUse

MOST_MESSAGES = 2000
"""Of one call; an hour of quick talk has a few hundred."""
MOST_NOTES = 100
NOTE_CHARACTERS = 500
CONTENT_CHARACTERS = 32_000

_calls, _messages, _turns = (cast(Table, table.__table__) for table in (Call, CallMessage, CallTurn))
_LIVE = _calls.c.ended_at.is_(None)


def _changing(*names: str) -> Update:
    """Made once: putting a statement together takes longer than carrying it out."""
    return change_owned(Call, *names, "updated_at")


_RINGING = _changing("status").where(_LIVE)
_FAILED = _changing("status", "end_reason", "error", "ended_at").where(_LIVE)
_ANSWERED = _changing("status", "started_at").where(_LIVE)
_RECORDED = _changing("recording")
_NOTED = _changing("notes")
_ENDED = _changing("status", "end_reason", "error", "ended_at", "duration_seconds", "notes").where(_LIVE)
_CHARGED = charge(
    OWNER,
    bindparam("seconds"),
    select(_calls.c.id).where(owned_by(_calls.c, OWNER), _calls.c.id == bindparam("call"), _LIVE).exists(),
)


class StoredJournal:
    """A `Journal` that queues what it is told for the `CallWriter`. In GDPR mode no message is written: they go out
    with the call's report, and wait for it encrypted.
    """

    def __init__(
        self,
        writer: CallWriter,
        endings: Endings,
        organization_id: str,
        kept: Kept,
        costing: Costing,
        recording: str | None,
        once_consented: Mapping[str, Any] | None = None,
    ) -> None:
        """`recording`: where the call's recording will lie, below the data directory, if it is recorded.
        `once_consented`: the columns that the record shall have of whoever called once they have consented.
        """
        self._endings = endings
        self._call_id = kept.context.call_id
        self._put = partial(writer.put, self._call_id)
        self._organization_id = organization_id
        self._kept = kept
        self._costing = costing
        self._recording = recording
        self._once_consented = once_consented
        self._unwritten: list[dict[str, str]] = []
        """The transcript in GDPR mode."""
        self._messages = 0
        self._turns = 0
        self._notes: list[str] = []

    def ringing(self) -> None:
        """The destination of an outbound call rings."""
        self._put(self._change(_RINGING, status=RINGING), must=True)

    def failed(self, reason: EndReason, error: str, uses: tuple[VendorUse, ...] = ()) -> None:
        """The call was never answered. In place of `answered` and `ended`. `uses`: what it used of its vendors while it
        rang.
        """
        words = _storable(error, CONTENT_CHARACTERS)
        over = self._change(_FAILED, status=FAILED, end_reason=reason, error=words, ended_at=now())
        self._put(over, *self._costing.work(self._organization_id, self._call_id, uses), self._tell_end(), must=True)

    def answered(self, at: datetime) -> None:
        """See `Journal.answered`."""
        begun = self._change(_ANSWERED, status=IN_PROGRESS, started_at=at)
        self._put(begun, (self._endings.answered, Beginning(self._organization_id, self._kept, at)), must=True)

    def consented(self) -> None:
        """See `Journal.consented`."""
        self.note("the caller agreed to be recorded")
        if self._once_consented is not None:
            change = _changing(*self._once_consented)
            self._put(self._change(change, **self._once_consented), must=True)

    def recording_began(self) -> None:
        """See `Journal.recording_began`."""
        self._put(self._change(_RECORDED, recording=self._recording), must=True)

    def message(self, role: Literal["system", "user", "assistant", "tool"], content: str) -> None:
        """See `Journal.message`."""
        content = _storable(content, CONTENT_CHARACTERS)
        if self._messages == MOST_MESSAGES:
            self.note(f"The transcript is longer than {MOST_MESSAGES} messages; the rest is not kept.")
        elif self._messages < MOST_MESSAGES and self._kept.gdpr_mode:
            self._unwritten.append({"role": role, "content": content})
        elif self._messages < MOST_MESSAGES:
            self._insert(_messages, self._messages, role=role, content=content, created_at=now())
        self._messages += 1

    def turn(self, latency: TurnLatency) -> None:
        """See `Journal.turn`."""
        if self._turns < MOST_MESSAGES:
            self._insert(
                _turns,
                self._turns,
                endpointing=latency.endpointing,
                stt_final=latency.stt_final,
                llm_first_token=latency.llm_first_token,
                tts_first_audio=latency.tts_first_audio,
                playout=latency.playout,
                total=latency.total,
                interrupted=latency.interrupted,
            )
        self._turns += 1

    def note(self, text: str) -> None:
        """See `Journal.note`."""
        if len(self._notes) < MOST_NOTES:
            self._notes.append(_storable(text, NOTE_CHARACTERS))
            self._put(self._change(_NOTED, notes=list(self._notes)))

    def ended(self, ending: Ending) -> None:
        """See `Journal.ended`."""
        seconds = ending.duration_seconds
        told = {OWNER.key: self._organization_id, "call": self._call_id, "seconds": seconds}
        charged: list[Work] = [(_CHARGED, told)] if seconds else []
        over = self._change(
            _ENDED,
            status=TRANSFERRED if ending.end_reason == "transferred" else ENDED,
            end_reason=ending.end_reason,
            error=None if ending.error is None else _storable(ending.error, CONTENT_CHARACTERS),
            ended_at=ending.ended_at,
            duration_seconds=seconds,
            notes=list(self._notes),
        )
        costs = self._costing.work(self._organization_id, self._call_id, ending.uses)
        self._put(*charged, over, *costs, self._tell_end(), must=True)

    def _tell_end(self) -> Work:
        transcript = self._unwritten if self._kept.gdpr_mode else None
        return self._endings.ended, End(self._organization_id, self._call_id, self._kept, transcript)

    def _change(self, statement: Update, **new: Any) -> Work:
        return statement, given(self._organization_id, self._call_id, **new, updated_at=now())

    def _insert(self, table: Table, position: int, **values: Any) -> None:
        insert = insert_missing(table, is_sqlite=self._costing.is_sqlite)
        of_call = {"call_id": self._call_id, "organization_id": self._organization_id, "position": position}
        self._put((insert, {**of_call, **values}))


def _storable(text: str, most: int) -> str:
    """`text` as both databases take it: PostgreSQL has no NUL, UTF-8 no lone surrogates."""
    text = text.replace("\x00", "") if len(text) <= most else text[: most - 1].replace("\x00", "") + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
