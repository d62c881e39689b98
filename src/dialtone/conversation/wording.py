"""What a few words tell about a turn: is the sentence unfinished, is it only a listener's "mhm"?

Word lists for the languages that telephone assistants speak most. An unlisted language loses nothing but the
refinement: its sentences count as finished and its interjections as words.
"""

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.UNICODE)

_UNFINISHED = {
    "en": """a an the my your his her its our their this these those
        and or but nor so because since although while if unless until when where which who whose that than then as
        to of in on at by for from with without about into onto between through during
        i'm we're they're you're i'd i'll is are was were am be been will would could should may might must shall
        um uh erm hmm""",
    "nl": """de het een mijn jouw uw zijn haar ons onze hun deze die dit
        en of maar want omdat als dat dan toen terwijl tenzij
        naar van op bij voor met zonder over tot tussen door tijdens
        ik wij ben wordt zal zou eh ehm uhm nou""",
    "de": """der die das ein eine einen einem einer mein meine dein ihr unser
        und oder aber denn weil wenn dass ob als
        zu nach von auf bei für mit ohne über zwischen durch äh ähm also""",
    "fr": """le la les un une des mon ma mes votre notre et ou mais donc car parce que si quand
        à de du en dans sur pour avec sans par entre euh""",
    "es": """el los las una unos unas mi su nuestro y o pero porque cuando aunque
        al del con sin por para entre sobre desde hasta eh este""",
    "it": "il lo gli uno ma perché quando di da per tra fra e o con un una",
    "pt": "os as um uma meu minha e ou mas quando ao do da em na com sem para",
}
_UNFINISHED_WORDS = {language: frozenset(listed.split()) for language, listed in _UNFINISHED.items()}
_EVERY_LANGUAGE = frozenset().union(*_UNFINISHED_WORDS.values())

_BACKCHANNEL = frozenset(
    """
    mhm mm mmm hm hmm uh-huh uhhuh uh huh ah oh aha yeah yep yup yes ok okay right sure fine good great alright
    got it i see
    ja jaja jawel juist precies goed oké okee prima zeker mooi
    genau gut stimmt klar achso
    oui ouais d'accord voilà bien
    sí si claro vale bueno
    sì certo bene
    sim claro tá
    """.split()
)


def words(text: str) -> list[str]:
    """The words of `text`, lower case, without punctuation."""
    return _WORD.findall(text.lower())


def looks_finished(text: str, language: str | None = None) -> bool:
    """False where the speaker evidently goes on: after a conjunction, a preposition, an article or an "uhm".

    `language` is a code such as `nl` or `nl-NL`; None where several are spoken.
    """
    spoken = words(text)
    if not spoken:
        return False
    unfinished = _EVERY_LANGUAGE if language is None else _UNFINISHED_WORDS.get(language[:2].lower(), frozenset())
    if spoken[-1] in unfinished and not text.rstrip().endswith("?"):
        return False
    return not text.rstrip().endswith((",", "...", "…", "-", "–", ":"))


def is_backchannel(text: str) -> bool:
    """True for a listener's sign of life ("mhm", "yeah okay") of at most three words that wants no answer."""
    spoken = words(text)
    return 0 < len(spoken) <= 3 and all(word in _BACKCHANNEL for word in spoken)
