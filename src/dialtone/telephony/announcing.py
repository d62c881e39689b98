"""Words for callers who are turned away, spoken before the call is refused, so that nobody pays for an answer."""

import asyncio
import contextlib

from dialtone.calls.inbound import Rejection
from dialtone.calls.live import LiveCalls
from dialtone.lines.sip.incoming import IncomingSipCall, RefusedError

ANNOUNCEMENT_SECONDS = 20.0
"""For making and speaking the words; what is longer is cut off."""
MAX_ANNOUNCEMENTS = 20
"""At once; further callers get the status alone."""

_UNAVAILABLE = {
    "en": "We are sorry, this number can't take calls at the moment. Please call again later. Goodbye.",
    "nl": "Het spijt ons, dit nummer kan op dit moment geen gesprekken aannemen. Belt u later nog eens. Tot ziens.",
    "de": "Es tut uns leid, dieser Anschluss kann zurzeit keine Anrufe annehmen. Bitte rufen Sie später wieder an. "
    "Auf Wiederhören.",
    "fr": "Nous sommes désolés, ce numéro ne peut pas prendre d'appels pour le moment. Merci de rappeler plus tard. "
    "Au revoir.",
    "es": "Lo sentimos, este número no puede atender llamadas en este momento. Por favor, llame más tarde. Adiós.",
    "it": "Siamo spiacenti, questo numero al momento non può ricevere chiamate. Richiami più tardi, per favore. "
    "Arrivederci.",
    "pt": "Pedimos desculpa, este número não pode atender chamadas de momento. Por favor, ligue mais tarde. Adeus.",
    "pl": "Przepraszamy, pod tym numerem nie możemy teraz odebrać. Prosimy zadzwonić później. Do widzenia.",
}
"""Where a rejection has no words of its own: why is nobody's business but the organization's."""


class Announcements:
    def __init__(self) -> None:
        self._speaking = 0

    async def speak(self, call: IncomingSipCall, rejection: Rejection, live: LiveCalls) -> None:
        """Let the caller hear why, as early media, in 20 s at most. Where that can't be had, nothing is done."""
        if self._speaking >= MAX_ANNOUNCEMENTS or not call.can_play:
            return
        self._speaking += 1
        try:
            with contextlib.suppress(TimeoutError, RefusedError):
                async with asyncio.timeout(ANNOUNCEMENT_SECONDS):
                    await self._speak(call, rejection, live)
        finally:
            self._speaking -= 1

    async def _speak(self, call: IncomingSipCall, rejection: Rejection, live: LiveCalls) -> None:
        call.prepare()
        words, keep = rejection.words, False
        if words is None:
            words, keep = unavailable(rejection.language), True
        audio = await live.announcement(words, rejection.language, call.audio, keep=keep)
        if audio is not None:
            await call.play(audio)


def unavailable(language: str | None) -> str:
    """The words for a number that takes no calls now, in `language` (a code such as `nl` or `nl-NL`)."""
    return _UNAVAILABLE.get((language or "en").split("-")[0].lower(), _UNAVAILABLE["en"])
