"""The house stays as it was drawn: arrows between rooms, tables behind their room, short files and functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "src" / "dialtone"
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60

MAY_IMPORT: dict[str, set[str]] = {
    "settings": set(),
    "media": set(),
    "sip": set(),
    "platform": {"settings"},
    "jobs": {"platform", "settings"},
    "storage": {"settings"},
    "lines": {"media", "sip", "platform", "settings"},
    "providers": {"media", "platform", "settings"},
    "tools": {"providers", "platform", "settings"},
    "conversation": {"lines", "providers", "tools", "media", "platform", "settings"},
    "organizations": {"audit", "platform", "settings"},
    "byok": {"organizations", "providers", "platform", "settings"},
    "assistants": {"byok", "organizations", "providers", "platform", "settings"},
    "numbers": {"assistants", "trunks", "organizations", "platform", "settings"},
    "trunks": {"organizations", "platform", "settings"},
    "templates": {"assistants", "organizations", "platform", "settings"},
    "chats": {"assistants", "organizations", "platform", "settings"},
    "voices": {"providers", "platform", "settings"},
    "domains": {"byok", "organizations", "platform", "settings"},
    "webhooks": {"tools", "jobs", "organizations", "platform", "settings"},
    "calls": {
        "storage",
        "webhooks",
        "jobs",
        "byok",
        "assistants",
        "numbers",
        "trunks",
        "organizations",
        "conversation",
        "lines",
        "providers",
        "tools",
        "media",
        "platform",
        "settings",
    },
    "carriers": {"byok", "calls", "numbers", "lines", "platform", "settings"},
    "telephony": {"calls", "numbers", "trunks", "lines", "sip", "media", "platform", "settings"},
    "analysis": {"calls", "storage", "domains", "assistants", "byok", "jobs", "providers", "platform", "settings"},
    "audit": {"platform", "settings"},
    "privacy": {"calls", "webhooks", "analysis", "chats", "audit", "organizations", "jobs", "platform", "settings"},
    "client": {"media"},
    "doctor": {"byok", "numbers", "trunks", "telephony", "lines", "sip", "media", "platform", "settings"},
}
"""Which rooms each room may know. Every room must be listed, so that a new one is given its place."""

JOINERS = {"server", "serving", "cli", "demo"}
"""Where parts are joined and people come in: these may know everything, and no room may know them."""

LAYERS = {"schemas": 0, "tables": 0, "service": 1, "routes": 2}
"""Within a room, these files may import one another only downwards. Files of other names are free."""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py"))]


def module_of(path: Path) -> list[str]:
    """`["dialtone", "calls", "service"]` for a file of the package."""
    return ["dialtone", *path.relative_to(PACKAGE).with_suffix("").parts]


def imports(path: Path) -> Iterator[list[str]]:
    """Every module of ours that a file imports, also inside functions, as a list of its parts."""
    package = module_of(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (parts for alias in node.names if (parts := alias.name.split("."))[0] == "dialtone")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            if module and module[0] == "dialtone":
                yield from ([*module, alias.name] for alias in node.names)


def room_of(module: list[str]) -> str:
    return module[1]


def wrong_arrow(importer: list[str], imported: list[str]) -> bool:
    """Does one module import what its room may not know?"""
    room, other = room_of(importer), room_of(imported)
    outside = other.startswith("_") or other == room  # `dialtone.__version__`, or the same room
    return not outside and room not in JOINERS and other not in MAY_IMPORT[room]


def foreign_tables(importer: list[str], imported: list[str]) -> bool:
    """Does a module reach into another room's tables?"""
    return "tables" in imported[2:] and room_of(importer) != room_of(imported)


def wrong_layer(importer: list[str], imported: list[str]) -> bool:
    """Does a file import one of its room that stands above it?"""
    if len(importer) < 3 or len(imported) < 3 or room_of(importer) != room_of(imported):
        return False
    return LAYERS.get(imported[2], 0) > LAYERS.get(importer[2], 2)


def test_every_room_has_its_place() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert {room for room in rooms if not room.startswith("_")} <= MAY_IMPORT.keys() | JOINERS


@pytest.mark.parametrize("rule", [wrong_arrow, foreign_tables, wrong_layer], ids=lambda rule: rule.__name__)
def test_imports_follow_the_drawing(rule: object) -> None:
    assert callable(rule)
    wrong = [
        f"{path.relative_to(PROJECT)} imports {'.'.join(imported)}"
        for path in sources("src/dialtone")
        if path.name != "__init__.py" or path.parent != PACKAGE
        for imported in imports(path)
        if len(imported) > 1 and rule(module_of(path), imported)
    ]
    assert wrong == []


def test_the_rules_catch_what_they_should() -> None:
    assert wrong_arrow(["dialtone", "media", "clock"], ["dialtone", "conversation", "call"])
    assert wrong_arrow(["dialtone", "platform", "db"], ["dialtone", "server", "create_app"])
    assert not wrong_arrow(["dialtone", "calls", "service"], ["dialtone", "assistants", "service"])
    assert foreign_tables(["dialtone", "calls", "service"], ["dialtone", "assistants", "tables", "Assistant"])
    assert not foreign_tables(["dialtone", "calls", "service"], ["dialtone", "calls", "tables", "Call"])
    assert wrong_layer(["dialtone", "calls", "service"], ["dialtone", "calls", "routes", "router"])
    assert not wrong_layer(["dialtone", "calls", "routes"], ["dialtone", "calls", "service", "Calls"])


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources("src", "tests", "benchmarks")}
    long = [f"{path.relative_to(PROJECT)}: {lines}" for path, lines in lengths.items() if lines > MAX_FILE_LINES]
    assert long == []


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(PROJECT)}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in sources("src", "tests", "benchmarks")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []
