"""A reply with the turn it answers, and where the time between the two went."""

import asyncio

from dialtone.conversation.journal import TurnLatency
from dialtone.conversation.speech import Speech
from dialtone.conversation.thinking import Reply
from dialtone.conversation.turns import EndTurn


class Answer:
    """`turn` is None where the assistant speaks unasked; `task` makes the reply."""

    def __init__(self, reply: Reply, task: "asyncio.Task[None]") -> None:
        self.reply = reply
        self.turn: EndTurn | None = None
        self.decided_at = 0.0
        self.latency: TurnLatency | None = None
        self._task = task

    @property
    def speech(self) -> Speech:
        return self.reply.telling.speech

    def drop(self) -> None:
        self._task.cancel()
        self.reply.telling.cancel()

    def measure(self, first_frame_at: float) -> TurnLatency:
        assert self.turn is not None
        speech, reply, end = self.speech, self.reply, self.turn.speech_end
        ready = max(self.decided_at, speech.first_audio_at or self.decided_at)
        return TurnLatency(
            endpointing=_milliseconds(end, self.decided_at),
            stt_final=_milliseconds(end, self.turn.final_at),
            llm_first_token=_milliseconds(reply.requested_at, reply.first_token_at),
            tts_first_audio=_milliseconds(speech.first_text_at, speech.first_audio_at),
            playout=_milliseconds(ready, first_frame_at),
            total=_milliseconds(end, first_frame_at),
        )

    def with_outcome(self, interrupted: bool) -> TurnLatency:
        assert self.latency is not None
        return TurnLatency(**{**self.latency_shown(), "interrupted": interrupted})  # type: ignore[arg-type]

    def latency_shown(self) -> dict[str, float | None]:
        assert self.latency is not None
        names = ("endpointing", "stt_final", "llm_first_token", "tts_first_audio", "playout", "total")
        return {name: getattr(self.latency, name) for name in names}


def _milliseconds(start: float | None, end: float | None) -> float | None:
    if start is None or end is None:
        return None
    return round(max(0.0, end - start) * 1000, 1)
