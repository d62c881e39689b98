"""What is said when the assistant can't go on, in the assistant's language."""

from collections.abc import Callable

from dialtone.conversation.journal import Journal
from dialtone.conversation.speech import Speech

_APOLOGIES = {
    "en": "I'm sorry, something went wrong on our side. Please call again later. Goodbye.",
    "nl": "Het spijt me, er is iets misgegaan aan onze kant. Belt u later alstublieft nog eens. Tot ziens.",
    "de": "Es tut mir leid, bei uns ist etwas schiefgegangen. Bitte rufen Sie später noch einmal an. Auf Wiederhören.",
    "fr": "Je suis désolé, un problème est survenu de notre côté. Merci de rappeler plus tard. Au revoir.",
    "es": "Lo siento, ha ocurrido un problema por nuestra parte. Por favor, vuelva a llamar más tarde. Adiós.",
    "it": "Mi dispiace, si è verificato un problema da parte nostra. Richiami più tardi, per favore. Arrivederci.",
    "pt": "Peço desculpa, ocorreu um problema do nosso lado. Por favor, ligue mais tarde. Adeus.",
    "pl": "Przepraszam, wystąpił problem po naszej stronie. Proszę zadzwonić później. Do widzenia.",
}


def apology(language: str | None) -> str:
    """The apology in `language` (a code such as `nl` or `nl-NL`); English where there is none."""
    return _APOLOGIES.get((language or "en").split("-")[0].lower(), _APOLOGIES["en"])


class LastWords:
    """Hears when the last speech of a failed call has been played, and tells the journal, where there is one."""

    def __init__(self, journal: Journal | None, on_said: Callable[[], None]) -> None:
        self._journal = journal
        self._on_said = on_said

    def speech_started(self, speech: Speech, at: float) -> None:
        """Nothing to do before it was said."""

    def speech_finished(self, speech: Speech) -> None:
        if self._journal is not None:
            self._journal.message("assistant", speech.heard)
        self._on_said()
