"""What comes of answering a call that comes in."""


class CallerLeftError(Exception):
    """The caller was gone before the call was answered. `str()` says how, in words that name nobody."""
