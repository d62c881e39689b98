"""The journal of one live call, kept in the database."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal

from sqlalchemy import Update, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.costs import Costing
from dialtone.calls.ending import Endings
from dialtone.calls.kept import Kept
from dialtone.calls.status import ENDED, FAILED, IN_PROGRESS, RINGING, TRANSFERRED
from dialtone.calls.tables import Call, CallMessage, CallTurn
from dialtone.calls.writer import CallWriter
from dialtone.conversation.journal import Ending, EndReason, TurnLatency
from dialtone.organizations.credit import charge
from dialtone.platform.db import now
from dialtone.platform.tenancy import owned_by, update_owned
from dialtone.providers.use import VendorUse

MOST_MESSAGES = 2000
"""Of one call; an hour of quick talk has a few hundred."""
MOST_NOTES = 100
NOTE_CHARACTERS = 500
CONTENT_CHARACTERS = 32_000


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
        self._put(self._update(status=RINGING).where(Call.ended_at.is_(None)), must=True)

    def failed(self, reason: EndReason, error: str, uses: tuple[VendorUse, ...] = ()) -> None:
        """The call was never answered. In place of `answered` and `ended`. `uses`: what it used of its vendors while it
        rang.
        """
        words = _storable(error, CONTENT_CHARACTERS)
        over = self._update(status=FAILED, end_reason=reason, error=words, ended_at=now())
        costs = self._costing.statements(self._organization_id, self._call_id, uses)
        self._put(over.where(Call.ended_at.is_(None)), *costs, self._tell_end, must=True)

    def answered(self, at: datetime) -> None:
        """See `Journal.answered`."""

        async def tell(session: AsyncSession) -> None:
            await self._endings.answered(session, self._organization_id, self._kept, at)

        begun = self._update(status=IN_PROGRESS, started_at=at)
        self._put(begun.where(Call.ended_at.is_(None)), tell, must=True)

    def consented(self) -> None:
        """See `Journal.consented`."""
        self.note("the caller agreed to be recorded")
        if self._once_consented is not None:
            self._put(self._update(**self._once_consented), must=True)

    def recording_began(self) -> None:
        """See `Journal.recording_began`."""
        self._put(self._update(recording=self._recording), must=True)

    def message(self, role: Literal["system", "user", "assistant", "tool"], content: str) -> None:
        """See `Journal.message`."""
        content = _storable(content, CONTENT_CHARACTERS)
        if self._messages == MOST_MESSAGES:
            self.note(f"The transcript is longer than {MOST_MESSAGES} messages; the rest is not kept.")
        elif self._messages < MOST_MESSAGES and self._kept.gdpr_mode:
            self._unwritten.append({"role": role, "content": content})
        elif self._messages < MOST_MESSAGES:
            self._insert(CallMessage, self._messages, role=role, content=content, created_at=now())
        self._messages += 1

    def turn(self, latency: TurnLatency) -> None:
        """See `Journal.turn`."""
        if self._turns < MOST_MESSAGES:
            self._insert(
                CallTurn,
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
            self._put(self._update(notes=list(self._notes)))

    def ended(self, ending: Ending) -> None:
        """See `Journal.ended`."""
        not_ended = (
            select(Call.id)
            .where(owned_by(Call, self._organization_id), Call.id == self._call_id, Call.ended_at.is_(None))
            .exists()
        )
        used = [charge(self._organization_id, ending.duration_seconds, not_ended)] if ending.duration_seconds else []
        over = self._update(
            status=TRANSFERRED if ending.end_reason == "transferred" else ENDED,
            end_reason=ending.end_reason,
            error=None if ending.error is None else _storable(ending.error, CONTENT_CHARACTERS),
            ended_at=ending.ended_at,
            duration_seconds=ending.duration_seconds,
            notes=list(self._notes),
        )
        costs = self._costing.statements(self._organization_id, self._call_id, ending.uses)
        self._put(*used, over.where(Call.ended_at.is_(None)), *costs, self._tell_end, must=True)

    async def _tell_end(self, session: AsyncSession) -> None:
        transcript = self._unwritten if self._kept.gdpr_mode else None
        await self._endings.ended(session, self._organization_id, self._call_id, transcript)

    def _update(self, **values: Any) -> Update:
        return update_owned(Call, self._organization_id, self._call_id).values(**values, updated_at=now())

    def _insert(self, table: type[CallMessage] | type[CallTurn], position: int, **values: Any) -> None:
        insert: Any = sqlite.insert if self._costing.is_sqlite else postgresql.insert
        row = insert(table).values(
            call_id=self._call_id, organization_id=self._organization_id, position=position, **values
        )
        self._put(row.on_conflict_do_nothing())


def _storable(text: str, most: int) -> str:
    """`text` as both databases take it: PostgreSQL has no NUL, UTF-8 no lone surrogates."""
    text = text.replace("\x00", "") if len(text) <= most else text[: most - 1].replace("\x00", "") + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
