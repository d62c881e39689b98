"""What is said, and understood, when a caller is handed over by an introduction, in the assistant's language."""

from dataclasses import dataclass

from dialtone.conversation.wording import words


@dataclass(frozen=True, slots=True)
class Wording:
    name: str
    """Of the language, in English, for the language model."""
    announcement: str
    """To the caller, where the transfer has no message of its own."""
    plain: str
    """To whoever is called, where there is no summary."""
    question: str
    yes: frozenset[str]
    no: frozenset[str]

    def answer_in(self, text: str) -> bool | None:
        """Whether somebody takes the call; None where they say neither, or both."""
        said = set(words(text.replace("’", "'")))
        yes, no = bool(said & self.yes), bool(said & self.no)
        return None if yes == no else yes


def _wording(name: str, announcement: str, plain: str, question: str, yes: str, no: str) -> Wording:
    return Wording(name, announcement, plain, question, frozenset(yes.split()), frozenset(no.split()))


_WORDINGS = {
    "en": _wording(
        "English",
        "One moment please, I will connect you.",
        "A caller would like to speak with you.",
        "Press 1 or say yes to take the call. Press 2 or say no to decline.",
        "yes yeah yep sure okay ok",
        "no nope not don't can't",
    ),
    "nl": _wording(
        "Dutch",
        "Een ogenblik alstublieft, ik verbind u door.",
        "Er is een beller voor u aan de lijn.",
        "Druk op 1 of zeg ja om het gesprek aan te nemen. Druk op 2 of zeg nee om het te weigeren.",
        "ja jawel graag prima oké oke okee ok",
        "nee neen niet geen",
    ),
    "de": _wording(
        "German",
        "Einen Moment bitte, ich verbinde Sie.",
        "Ein Anrufer möchte mit Ihnen sprechen.",
        "Drücken Sie die 1 oder sagen Sie Ja, um den Anruf anzunehmen. Drücken Sie die 2 oder sagen Sie Nein, um "
        "ihn abzulehnen.",
        "ja jawohl gern gerne okay ok",
        "nein ne nicht kein keine",
    ),
    "fr": _wording(
        "French",
        "Un instant s'il vous plaît, je vous mets en relation.",
        "Un appelant souhaite vous parler.",
        "Appuyez sur 1 ou dites oui pour prendre l'appel. Appuyez sur 2 ou dites non pour le refuser.",
        "oui ouais d'accord ok",
        "non pas",
    ),
    "es": _wording(
        "Spanish",
        "Un momento, por favor, le paso la llamada.",
        "Una persona desea hablar con usted.",
        "Pulse 1 o diga sí para aceptar la llamada. Pulse 2 o diga no para rechazarla.",
        "sí si vale claro ok",
        "no",
    ),
    "it": _wording(
        "Italian",
        "Un momento per favore, la metto in comunicazione.",
        "Una persona desidera parlare con lei.",
        "Prema 1 o dica sì per accettare la chiamata. Prema 2 o dica no per rifiutarla.",
        "sì si certo va ok",
        "no non",
    ),
    "pt": _wording(
        "Portuguese",
        "Um momento, por favor, vou passar a chamada.",
        "Uma pessoa deseja falar consigo.",
        "Prima 1 ou diga sim para atender a chamada. Prima 2 ou diga não para a recusar.",
        "sim claro ok",
        "não nao",
    ),
    "pl": _wording(
        "Polish",
        "Proszę chwilę poczekać, już łączę.",
        "Ktoś chciałby z Państwem porozmawiać.",
        "Proszę nacisnąć 1 lub powiedzieć tak, aby przyjąć rozmowę. Proszę nacisnąć 2 lub powiedzieć nie, aby odmówić.",
        "tak dobrze okej ok",
        "nie",
    ),
}


def wording(language: str | None) -> Wording:
    """The wording in `language` (a code such as `nl` or `nl-NL`); English where there is none."""
    return _WORDINGS.get((language or "en").split("-")[0].lower(), _WORDINGS["en"])
