"""Which process a call lives in."""

from pathlib import Path

from dialtone.platform.db import new_id, parse_id

_FILE = "node.id"


def node_id(data_dir: Path) -> str:
    """The id of the node that owns this data directory, made at its first start.

    It outlives restarts, so that a node can end the calls which its last run left open and nobody else's.
    Raises `OSError`.
    """
    path = data_dir / _FILE
    known = parse_id(path.read_text().strip()) if path.exists() else None
    if known is None:
        known = new_id()
        path.write_text(known + "\n")
    return known
