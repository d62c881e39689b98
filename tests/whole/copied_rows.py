"""Many rows at once in a server's database: thousands of objects that nobody need make one by one."""

import uuid

from sqlalchemy import create_engine, insert, select
from sqlalchemy.engine import make_url

from dialtone.platform.db import Base
from dialtone.server import create_app

assert create_app  # what makes every room's tables known


def copy_row(database_url: str, table: str, row_id: str, copies: int) -> None:
    """Copies of one row, each with an id of its own."""
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    rows = Base.metadata.tables[table]
    with engine.begin() as connection:
        row = connection.execute(select(rows).where(rows.c.id == row_id)).mappings().one()
        connection.execute(insert(rows), [{**row, "id": str(uuid.uuid4())} for _ in range(copies)])
    engine.dispose()
