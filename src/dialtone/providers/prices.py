"""What vendors ask for: a table that the deployment can replace. `prices.toml` says how it is written."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dialtone.providers.use import VendorUse

ROLES = ("stt", "llm", "tts", "postcall_stt")
UNITS: Mapping[str, float] = {
    "per_1m_input_tokens": 1_000_000,
    "per_1m_output_tokens": 1_000_000,
    "per_minute": 60,
    "per_hour": 3600,
    "per_1k_chars": 1000,
    "per_1m_chars": 1_000_000,
}
"""How much of tokens, seconds or characters a price is for."""
ANY_MODEL = "*"
MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """A table of prices in one currency."""

    currency: str
    _table: Mapping[tuple[str, str, str], Mapping[str, float]]

    @classmethod
    def load(cls, path: Path | None = None) -> "Prices":
        """The packaged table, or the file at `path`. Raises `ValueError`, in words, for a file that can't be used."""
        if path is None:
            return cls.parse((files("dialtone.providers") / "prices.toml").read_text(), "prices.toml")
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as problem:
            raise ValueError(f"DIALTONE_PRICES_FILE: {path} can't be read ({type(problem).__name__})") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> "Prices":
        """Raises `ValueError`."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            raise ValueError(f"{name}: is not TOML: {problem}") from None
        currency = document.pop("currency", None)
        if not (isinstance(currency, str) and len(currency) == 3 and currency.isalpha() and currency.isupper()):
            raise ValueError(f'{name}: currency: must be a code of three letters like "USD"')
        table = {}
        for role, providers in document.items():
            if role not in ROLES:
                raise ValueError(f"{name}: {role}: must be one of {', '.join(ROLES)}")
            for provider, models in _table(providers, f"{name}: {role}").items():
                for model, units in _table(models, f"{name}: {role}.{provider}").items():
                    table[role, provider, model] = _units(units, f"{name}: {role}.{provider}.{model}")
        return cls(currency, table)

    def cost(self, use: VendorUse) -> int | None:
        """Millionths of the currency; None where the price of something that was used is not known."""
        role = "llm" if use.role == "postcall_llm" else use.role
        prices = next(
            (
                self._table[role, use.provider, model]
                for model in (f"{use.model}:{use.language}", use.model, ANY_MODEL)
                if (role, use.provider, model) in self._table
            ),
            {},
        )
        total = 0.0
        for units, used in (
            (("per_1m_input_tokens",), use.input_tokens),
            (("per_1m_output_tokens",), use.output_tokens),
            (("per_minute", "per_hour"), use.audio_seconds),
            (("per_1k_chars", "per_1m_chars"), use.characters),
        ):
            known = [prices[unit] * used / UNITS[unit] for unit in units if unit in prices]
            if used and not known:
                return None
            total += sum(known)
        return round(total * MILLIONTHS)


def _table(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: must be a table")
    return value


def _units(value: Any, place: str) -> dict[str, float]:
    units = _table(value, place)
    for unit, price in units.items():
        if unit not in UNITS:
            raise ValueError(f"{place}.{unit}: must be one of {', '.join(UNITS)}")
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
            raise ValueError(f"{place}.{unit}: must be a price, 0 or more")
    for one, other in (("per_minute", "per_hour"), ("per_1k_chars", "per_1m_chars")):
        if one in units and other in units:
            raise ValueError(f"{place}: must have {one} or {other}, not both")
    return {unit: float(price) for unit, price in units.items()}
