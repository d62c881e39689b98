"""No room can store a secret where a rotation would not find it."""

from pathlib import Path

import dialtone
import dialtone.server
from dialtone.platform.db import Base
from dialtone.platform.stored_secrets import SecretColumn, secret_columns, secrets_at

PACKAGE = Path(dialtone.__file__).parent


def test_every_room_that_encrypts_has_marked_its_columns() -> None:
    marked = {table.name for table in secret_columns(Base.metadata)}
    rooms = {
        mapper.class_.__module__.split(".")[1] for mapper in Base.registry.mappers if mapper.local_table.name in marked
    }
    encrypting = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if "secrets.encrypt" in (words := path.read_text()) or " sealed(" in words
    }
    assert encrypting - {"platform"} == rooms


def test_columns_that_are_named_like_secrets_are_marked() -> None:
    marked = {str(secret) for columns in secret_columns(Base.metadata).values() for secret in columns}
    named = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(word in column.name for word in ("secret", "password", "credential", "auth_token"))
    }
    assert named <= marked


def test_secrets_are_replaced_at_their_places_only() -> None:
    table = next(iter(secret_columns(Base.metadata)))
    paths = [tuple(path.split(".")) for path in next(iter(secrets_at("tools.*.server.secret", "headers.*").values()))]
    column = SecretColumn(next(iter(table.columns)), tuple(paths))
    value = {
        "secret": "a",
        "headers": {"one": "b", "two": "c"},
        "tools": [
            {"name": "d"},
            {"server": {"secret": "e", "url": "f"}},
            {"server": None},
            {"server": {"secret": None}},
        ],
    }
    assert column.replaced(value, str.upper) == {
        "secret": "a",
        "headers": {"one": "B", "two": "C"},
        "tools": [
            {"name": "d"},
            {"server": {"secret": "E", "url": "f"}},
            {"server": None},
            {"server": {"secret": None}},
        ],
    }
    assert column.replaced(value, lambda secret: secret) is value
    assert column.replaced({"tools": "not a list"}, str.upper) == {"tools": "not a list"}
