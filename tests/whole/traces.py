"""Looks for words in every byte that a deployment keeps: its data directory, and all tables of its database."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import psycopg
from sqlalchemy.engine import make_url

from dialtone.settings import Settings


def forms_of(words: str) -> dict[str, bytes]:
    """`words` as they may be written down, by the name of the form."""
    encoded = words.encode()
    forms = {
        "plain": encoded,
        "lower case": words.lower().encode(),
        "UTF-16": words.encode("utf-16-le"),
        "UTF-16, big-endian": words.encode("utf-16-be"),
        "JSON": json.dumps(words)[1:-1].encode(),
        "percent-encoded": quote(words, safe="").encode(),
        "hexadecimal": encoded.hex().encode(),
    }
    for before in range(3):  # where it begins decides how base64 writes it
        shifted = base64.b64encode(b"\x00" * before + encoded)
        inner = shifted[(0, 2, 3)[before] : len(shifted) - 4 if len(shifted) > 12 else None]
        forms[f"base64, {before} bytes before"] = inner
        forms[f"URL-safe base64, {before} bytes before"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return forms


def found_in(data: bytes, *words: str) -> list[tuple[str, str]]:
    """Which of `words` are in `data`, and in which form."""
    lowered = data.lower()
    return [
        (each, form)
        for each in words
        for form, wanted in forms_of(each).items()
        if wanted in (lowered if form == "lower case" else data)
    ]


def files_of(data_dir: Path) -> bytes:
    """All files of a data directory, one after the other."""
    return b"\n".join(path.read_bytes() for path in sorted(data_dir.rglob("*")) if path.is_file())


def tables_of(database_url: str) -> bytes:
    """All tables of a PostgreSQL database, as COPY writes them."""
    address = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    copied = []
    with psycopg.connect(address) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT') as rows:  # type: ignore[call-overload]
                copied.append(b"".join(bytes(part) for part in rows))
    assert len(copied) > 20
    return b"\n".join(copied)


def stored_bytes(settings: Settings) -> bytes:
    """All that is kept of a running house."""
    tables = b"" if settings.database_url is None else tables_of(settings.database_url)
    return files_of(settings.data_dir) + tables
