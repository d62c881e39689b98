"""espeak-ng's shared library, loaded only in worker processes: it is GPL-3-or-later.

Its C interface is described in espeak-ng's `speak_lib.h`.
"""

import ctypes
import ctypes.util
import os
import re
import unicodedata
from pathlib import Path

OUTPUT_SYNCHRONOUS = 2
TEXT_IS_UTF8 = 1
PHONEMES_AS_IPA = 2
_CLAUSES = re.compile(r"([.,;:!?]+)(?=\s|$)")
_SENTENCE_ENDS = ".!?"


def load_library() -> tuple[ctypes.CDLL, Path | None]:
    """The library and the folder that holds its `espeak-ng-data` (None: built in). Raises `OSError` without one."""
    try:
        import espeakng_loader
    except ImportError:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise OSError("espeak-ng is not installed: pip install 'dialtone[local]'") from None
        return ctypes.CDLL(name), None
    return ctypes.CDLL(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path()).parent


def start_library(chunk_milliseconds: int) -> tuple[ctypes.CDLL, int]:
    """The started library and its sample rate in Hz. Raises `OSError` without the library or its data."""
    library, data = load_library()
    if data is not None:
        os.chdir(data)  # the library cuts a data path of more than about 160 characters
    path = b"." if data is not None else None
    sample_rate: int = library.espeak_Initialize(OUTPUT_SYNCHRONOUS, chunk_milliseconds, path, 0)
    if sample_rate <= 0:
        raise OSError("espeak-ng did not find its data")
    return library, sample_rate


class Phonemiser:
    """Text to the phonemes that Piper voices were trained on: IPA, with the punctuation left in place."""

    def __init__(self, voice: str) -> None:
        self._library, _ = start_library(0)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise OSError(f"espeak-ng has no voice {voice!r}")

    def sentences(self, text: str) -> list[str]:
        """The phonemes of each sentence of `text`, in decomposed Unicode (NFD)."""
        found: list[str] = []
        sentence = ""
        pieces = [*_CLAUSES.split(text), ""]
        for clause, mark in zip(pieces[::2], pieces[1::2], strict=True):
            phonemes = self._phonemes(clause)
            sentence += f" {phonemes}{mark[:1]}" if sentence and phonemes else phonemes + (mark[:1] if phonemes else "")
            if sentence and mark[:1] and mark[0] in _SENTENCE_ENDS:
                found.append(sentence)
                sentence = ""
        return [unicodedata.normalize("NFD", each) for each in [*found, sentence] if each]

    def _phonemes(self, clause: str) -> str:
        rest = ctypes.c_char_p(clause.encode())
        parts = []
        while rest.value:
            part = self._library.espeak_TextToPhonemes(ctypes.byref(rest), TEXT_IS_UTF8, PHONEMES_AS_IPA)
            parts.append((part or b"").decode().strip())
        return " ".join(filter(None, parts))
