"""What calls used of their vendors, and what that cost: how it is written down and shown.

Costs are millionths of the price table's currency, so that sums of them are exact.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from pydantic import BaseModel, Field
from sqlalchemy import Executable, Table, bindparam, func, select, update

from dialtone.calls.tables import Call, CallUsage
from dialtone.platform.rows import insert_missing
from dialtone.platform.tenancy import OWNER, owned_by
from dialtone.providers.prices import MILLIONTHS, Prices
from dialtone.providers.use import VendorUse

_calls, _usage = cast(Table, Call.__table__), cast(Table, CallUsage.__table__)
_SUM_UP = (
    update(_calls)
    .where(owned_by(_calls.c, OWNER), _calls.c.id == bindparam("call"))
    .values(
        cost_millionths=select(func.coalesce(func.sum(_usage.c.cost_millionths), 0))
        .where(owned_by(_usage.c, OWNER), _usage.c.call_id == bindparam("call"), ~_usage.c.own_key)
        .scalar_subquery()
    )
)

Told = tuple[Executable, Mapping[str, Any]]
"""A statement, and its values."""

QUANTITIES = ("audio_seconds", "input_tokens", "output_tokens", "characters")


class CallCost(BaseModel):
    """What one part of a call used of its vendor."""

    role: str = Field(
        description="stt, llm or tts; postcall_stt or postcall_llm for the work after the call.", examples=["llm"]
    )
    provider: str = Field(description="The vendor.", examples=["openai"])
    model: str = Field(description="Its model; empty where the vendor has no choice.", examples=["gpt-5.4"])
    audio_seconds: float | None = Field(description="Audio that was transcribed.")
    input_tokens: int | None = Field(description="Tokens that the model was given.")
    output_tokens: int | None = Field(description="Tokens that the model wrote.")
    characters: int | None = Field(description="Text that was spoken.")
    estimated: bool = Field(description="Some tokens are estimated, because the vendor did not report them.")
    own_key: bool = Field(description="It ran on the organization's own key, and is not part of the usage's `cost`.")
    cost: float | None = Field(description="By the price table of that time; null where a price is not in it.")
    currency: str = Field(description="Of `cost`.", examples=["USD"])


@dataclass(frozen=True, slots=True)
class Costing:
    """How one call's use of vendors is priced and written down."""

    prices: Prices
    own_roles: Collection[str]
    """Parts of the call that run on the organization's own keys."""
    is_sqlite: bool

    def work(self, organization_id: str, call_id: str, uses: Iterable[VendorUse]) -> list[Told]:
        """Write down what was used, and sum the call's cost up. It can be repeated without harm."""
        insert = insert_missing(_usage, is_sqlite=self.is_sqlite)
        rows: list[Told] = [(insert, self._row(organization_id, call_id, use)) for use in uses]
        if not rows:
            return []
        return [*rows, (_SUM_UP, {OWNER.key: organization_id, "call": call_id})]

    def _row(self, organization_id: str, call_id: str, use: VendorUse) -> dict[str, Any]:
        used = asdict(use)
        return {
            "organization_id": organization_id,
            "call_id": call_id,
            "role": use.role,
            "provider": use.provider,
            "model": use.model,
            "estimated": use.estimated,
            **{name: used[name] or None for name in QUANTITIES},
            "own_key": use.role in self.own_roles,
            "cost_millionths": self.prices.cost(use),
        }


def amount(millionths: int) -> float:
    """As the API shows money."""
    return millionths / MILLIONTHS


def shown_cost(row: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """A row of `CallUsage` as the API shows it."""
    seconds, cost = row["audio_seconds"], row["cost_millionths"]
    return {
        **{name: row[name] for name in ("role", "provider", "model", *QUANTITIES, "estimated", "own_key")},
        "audio_seconds": None if seconds is None else round(seconds, 1),
        "cost": None if cost is None else amount(cost),
        "currency": currency,
    }
