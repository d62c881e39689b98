"""A rough English pronunciation for a word that the dictionary lacks: names, brands, made-up words.

Phones are those of the CMU dictionary (ARPABET). A rule of thumb, good enough for a recogniser that has to tell a dozen
expected phrases apart.
"""

PHONES_BY_LETTERS = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "eigh": "EY", "igh": "AY", "tch": "CH", "sch": "SH",
    "dge": "JH", "eau": "OW", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG",
    "qu": "K W", "kn": "N", "wr": "R", "gh": "G", "ee": "IY", "ea": "IY", "ie": "IY", "ei": "AY", "ai": "EY",
    "ay": "EY", "ey": "IY", "oa": "OW", "oe": "OW", "oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY",
    "au": "AO", "aw": "AO", "ue": "UW", "ui": "UW", "ew": "UW", "eu": "OY", "ij": "AY", "aa": "AA", "uu": "UW",
    "er": "ER", "ir": "ER", "ur": "ER", "ar": "AA R", "or": "AO R", "bb": "B", "cc": "K", "dd": "D", "ff": "F",
    "gg": "G", "ll": "L", "mm": "M", "nn": "N", "pp": "P", "rr": "R", "ss": "S", "tt": "T", "zz": "Z", "kk": "K",
    "ce": "S EH", "ci": "S IH", "cy": "S IY", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G",
    "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "Y", "z": "Z",
}  # fmt: skip
LONGEST = max(map(len, PHONES_BY_LETTERS))
PHONES_AT_END = {"a": "AH", "e": "", "i": "IY", "o": "OW", "u": "UW", "y": "IY", "es": "Z", "ed": "D"}
LONG_VOWELS = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}


def pronounce(word: str) -> str | None:
    """Phones of a lower-case word, separated by spaces; None where it has no letter a to z."""
    phones: list[str] = []
    position = 0
    while position < len(word):
        rest = word[position:]
        if phones and rest in PHONES_AT_END:
            phones.append(PHONES_AT_END[rest])
            break
        if len(rest) == 3 and rest[2] == "e" and rest[0] in LONG_VOWELS and rest[1] not in LONG_VOWELS:
            phones += [LONG_VOWELS[rest[0]], PHONES_BY_LETTERS.get(rest[1], "")]
            break
        for length in range(min(LONGEST, len(rest)), 0, -1):
            if rest[:length] in PHONES_BY_LETTERS:
                phones.append(PHONES_BY_LETTERS[rest[:length]])
                position += length
                break
        else:
            position += 1
    return " ".join(filter(None, phones)) or None
