"""The journal of one live call, kept in the database."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Executable, select
from sqlalchemy.dialects import postgresql, sqlite

from dialtone.calls.status import ENDED, FAILED, IN_PROGRESS, RINGING, TRANSFERRED
from dialtone.calls.tables import Call, CallMessage, CallTurn
from dialtone.calls.writer import CallWriter
from dialtone.conversation.journal import Ending, EndReason, TurnLatency
from dialtone.organizations.credit import charge
from dialtone.platform.db import now
from dialtone.platform.tenancy import owned_by, update_owned

MOST_MESSAGES = 2000
"""Of one call; an hour of quick talk has a few hundred."""
MOST_NOTES = 100
NOTE_CHARACTERS = 500
CONTENT_CHARACTERS = 32_000


class StoredJournal:
    """A `Journal` that queues what it is told for the `CallWriter`. `keep_content` False writes no message."""

    def __init__(
        self, writer: CallWriter, call_id: str, organization_id: str, *, is_sqlite: bool, keep_content: bool = True
    ) -> None:
        self._writer = writer
        self._call_id = call_id
        self._organization_id = organization_id
        self._is_sqlite = is_sqlite
        self._keep_content = keep_content
        self._messages = 0
        self._turns = 0
        self._notes: list[str] = []

    def ringing(self) -> None:
        """The destination of an outbound call rings."""
        self._writer.put(self._update(status=RINGING), must=True)

    def failed(self, reason: EndReason, error: str) -> None:
        """Nobody answered an outbound call. In place of `answered` and `ended`."""
        words = _storable(error, CONTENT_CHARACTERS)
        self._writer.put(self._update(status=FAILED, end_reason=reason, error=words, ended_at=now()), must=True)

    def answered(self, at: datetime) -> None:
        """See `Journal.answered`."""
        self._writer.put(self._update(status=IN_PROGRESS, started_at=at), must=True)

    def message(self, role: Literal["system", "user", "assistant", "tool"], content: str) -> None:
        """See `Journal.message`."""
        if not self._keep_content:
            return
        if self._messages == MOST_MESSAGES:
            self.note(f"The transcript is longer than {MOST_MESSAGES} messages; the rest is not kept.")
        elif self._messages < MOST_MESSAGES:
            self._insert(
                CallMessage, self._messages, role=role, content=_storable(content, CONTENT_CHARACTERS), created_at=now()
            )
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
            self._writer.put(self._update(notes=list(self._notes)))

    def ended(self, ending: Ending) -> None:
        """See `Journal.ended`."""
        not_ended = (
            select(Call.id)
            .where(owned_by(Call, self._organization_id), Call.id == self._call_id, Call.ended_at.is_(None))
            .exists()
        )
        used = [charge(self._organization_id, ending.duration_seconds, not_ended)] if ending.duration_seconds else []
        self._writer.put(
            *used,
            self._update(
                status=TRANSFERRED if ending.end_reason == "transferred" else ENDED,
                end_reason=ending.end_reason,
                error=None if ending.error is None else _storable(ending.error, CONTENT_CHARACTERS),
                ended_at=ending.ended_at,
                duration_seconds=ending.duration_seconds,
                notes=list(self._notes),
            ),
            must=True,
        )

    def _update(self, **values: Any) -> Executable:
        return update_owned(Call, self._organization_id, self._call_id).values(**values, updated_at=now())

    def _insert(self, table: type[CallMessage] | type[CallTurn], position: int, **values: Any) -> None:
        insert: Any = sqlite.insert if self._is_sqlite else postgresql.insert
        row = insert(table).values(
            call_id=self._call_id, organization_id=self._organization_id, position=position, **values
        )
        self._writer.put(row.on_conflict_do_nothing())


def _storable(text: str, most: int) -> str:
    """`text` as both databases take it: PostgreSQL has no NUL, UTF-8 no lone surrogates."""
    text = text.replace("\x00", "") if len(text) <= most else text[: most - 1].replace("\x00", "") + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
