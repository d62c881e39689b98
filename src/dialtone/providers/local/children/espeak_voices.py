"""Tells which voices espeak-ng has, in a process of its own, as `{"type": "ready", "voices": [{"voice", "name"}]}`.

Without the library the answer is `{"type": "error", "message", "permanent"}`. The C interface is described in
espeak-ng's `speak_lib.h`.
"""

import ctypes
from pathlib import PurePosixPath

from dialtone.providers.local.children.espeak_library import start_library
from dialtone.providers.local.children.pipe import Pipe


class Voice(ctypes.Structure):
    """`espeak_VOICE`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def voices() -> list[dict[str, str]]:
    """Every voice but variants and MBROLA's. A voice is called by the last part of its file's path.

    Raises `OSError` without the library or its data.
    """
    library, _ = start_library(0)
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(Voice))
    listed = library.espeak_ListVoices(None)
    found = []
    index = 0
    while listed[index]:
        voice = listed[index].contents
        found.append({"voice": PurePosixPath(voice.identifier.decode()).name.lower(), "name": voice.name.decode()})
        index += 1
    return found


def main() -> None:
    pipe = Pipe()
    try:
        pipe.send(0, type="ready", voices=voices())
    except OSError as error:
        pipe.send(0, type="error", message=str(error), permanent=True)
        return
    pipe.next_request()  # none comes: the server closes its end, which ends this process


if __name__ == "__main__":
    main()
