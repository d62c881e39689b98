"""Days and times of day as callers say them."""

import re
from datetime import date, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
HOURS = "one two three four five six seven eight nine ten eleven twelve".split()

_DAY_NUMBER = (
    r"(?:\d{1,2}(?:st|nd|rd|th)?|thirty[ -]first|thirtieth"
    rf"|twenty[ -](?:{'|'.join(ORDINALS[:9])})|{'|'.join(ORDINALS)})"
)
_MONTH = "|".join(MONTHS)
_DAY = re.compile(
    r"\b(\d{4}-\d{2}-\d{2}|day after tomorrow|today|tonight|tomorrow"
    rf"|(?:next )?(?:{'|'.join(WEEKDAYS)})|(?:{_MONTH}) (?:the )?{_DAY_NUMBER}|{_DAY_NUMBER}(?: of)? (?:{_MONTH}))\b"
)
_HOUR = rf"(?:\d{{1,2}}|{'|'.join(HOURS)})"
_MINUTES = r"(?:fifteen|thirty|forty[ -]five|twenty|ten|forty|fifty|o five)"
_PART = r"(?: (?:in the (?:morning|afternoon|evening)|at night|a\.?m\b\.?|p\.?m\b\.?))"
_CLOCK = rf"\d{{1,2}}[:.]\d{{2}}|(?:half past|quarter past|quarter to) {_HOUR}|{_HOUR}(?: {_MINUTES}| o'? ?clock)?"
_TIME = re.compile(rf"\b(?:(noon|midday|midnight)|({_CLOCK})({_PART})?)(?!\w)")
_MINUTE_VALUES = {"fifteen": 15, "thirty": 30, "twenty": 20, "ten": 10, "forty": 40, "fifty": 50, "o five": 5}


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").replace(",", " ").split())


def find_day(text: str) -> str | None:
    """The caller's words for a day, such as `tomorrow`, `Friday` or `the third of May`, spelled properly."""
    found = _DAY.search(_plain(text))
    if found is None:
        return None
    proper = (*WEEKDAYS, *MONTHS)
    return " ".join(word.capitalize() if word in proper else word for word in found[1].split())


def calendar_date(day: str, today: date) -> date | None:
    """The next date that `day`, a result of `find_day`, can mean."""
    words = day.lower().replace("-", " ").split()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        try:
            return date.fromisoformat(day)
        except ValueError:
            return None
    if "tomorrow" in words:
        return today + timedelta(days=2 if "after" in words else 1)
    for weekday in WEEKDAYS:
        if weekday in words:
            ahead = (WEEKDAYS.index(weekday) - today.weekday()) % 7
            return today + timedelta(days=ahead or 7)
    month = next((MONTHS.index(word) + 1 for word in words if word in MONTHS), None)
    return _in_month(words, month, today) if month else today


def _in_month(words: list[str], month: int, today: date) -> date | None:
    number = 20 if "twenty" in words else 30 if words[0] == "thirty" or "thirty" in words else 0
    for word in words:
        digits = re.match(r"\d{1,2}", word)
        if digits:
            number = int(digits[0])
        elif word == "thirtieth":
            number = 30
        elif word in ORDINALS:
            number += ORDINALS.index(word) + 1
    for year in (today.year, today.year + 1):
        try:
            candidate = date(year, month, number)
        except ValueError:
            continue
        if candidate >= today:
            return candidate
    return None


def find_time(text: str, *, bare: bool) -> str | None:
    """The caller's words for a time of day, such as `half past six` or `seven in the evening`.

    A number alone counts only with `bare` (a time was asked for) or after `at`.
    """
    plain = _plain(text)
    for found in _TIME.finditer(plain):
        number_only = found[1] is None and found[3] is None and re.fullmatch(_HOUR, found[2]) is not None
        if not number_only or bare or plain[: found.start()].endswith("at "):
            return found[0].strip()
    return None


def clock_time(time: str) -> str | None:
    """`HH:MM` for a result of `find_time`. Without a part of the day, 1 to 7 means the afternoon or evening."""
    if time in ("noon", "midday"):
        return "12:00"
    if time == "midnight":
        return "00:00"
    numeric = re.match(r"(\d{1,2})(?:[:.](\d{2}))?", time)
    spoken = next((HOURS.index(word) + 1 for word in time.split() if word in HOURS), None)
    hour = int(numeric[1]) if numeric else spoken
    if hour is None:
        digits = re.search(r"\d{1,2}", time)
        if digits is None:
            return None
        hour = int(digits[0])
    minute = int(numeric[2] or 0) if numeric else _spoken_minute(time)
    if "quarter to" in time:
        hour, minute = hour - 1, 45
    evening = re.search(r"afternoon|evening|night|p\.?m", time)
    morning = re.search(r"morning|a\.?m\b", time)
    if (evening and hour < 12) or (not evening and not morning and 1 <= hour <= 7):
        hour += 12
    if morning and hour == 12:
        hour = 0
    return f"{hour:02d}:{minute:02d}" if 0 <= hour < 24 and minute < 60 else None


def _spoken_minute(time: str) -> int:
    if "half past" in time:
        return 30
    if "quarter past" in time:
        return 15
    if "forty five" in time or "forty-five" in time:
        return 45
    return next((value for words, value in _MINUTE_VALUES.items() if f" {words}" in time), 0)
