"""What comes of answering a call that comes in."""


class CallerLeftError(Exception):
    """The caller was gone before the call was answered. `str()` says how, in words that name nobody."""


class NotAnsweredError(Exception):
    """The call could not be answered, though the caller waited. `str()` says why, in words that name nobody."""
