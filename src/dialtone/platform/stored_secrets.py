"""Where secrets are stored: each room marks the columns of its tables that hold them.

`info=SECRET` marks a column of text that is one secret, `info=secrets_at("tools.*.server.secret")` a JSON column with
secrets inside: a path of keys, `*` for every element of a list or every value of an object. A rotation finds the
secrets by these marks, so a secret in an unmarked column would be lost with its key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, MetaData, Table

_MARK = "secrets"
EACH = "*"

SECRET: dict[Any, Any] = {_MARK: ("",)}


def secrets_at(*paths: str) -> dict[Any, Any]:
    return {_MARK: paths}


@dataclass(frozen=True, slots=True)
class SecretColumn:
    column: Column[Any]
    paths: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"{self.column.table.name}.{self.column.name}"

    def replaced(self, value: Any, change: Callable[[str], str]) -> Any:
        """The column's value with every secret changed; the same object where none was."""
        for path in self.paths:
            value = _replaced(value, path, change)
        return value


def secret_columns(metadata: MetaData) -> dict[Table, list[SecretColumn]]:
    """The marked columns of all tables that have any."""
    found: dict[Table, list[SecretColumn]] = {}
    for table in metadata.sorted_tables:
        for column in table.columns:
            if paths := column.info.get(_MARK):
                parts = tuple(tuple(filter(None, path.split("."))) for path in paths)
                found.setdefault(table, []).append(SecretColumn(column, parts))
    return found


def _replaced(value: Any, path: tuple[str, ...], change: Callable[[str], str]) -> Any:
    if not path:
        return change(value) if isinstance(value, str) else value
    first, rest = path[0], path[1:]
    if isinstance(value, list) and first == EACH:
        elements = [_replaced(element, rest, change) for element in value]
        return elements if any(new is not old for new, old in zip(elements, value, strict=True)) else value
    if isinstance(value, dict):
        changed = {
            key: new
            for key, old in value.items()
            if first in (EACH, key) and (new := _replaced(old, rest, change)) is not old
        }
        return {**value, **changed} if changed else value
    return value
