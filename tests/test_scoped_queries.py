"""Every row behind its organization: no statement over tenants' tables is written without `platform/tenancy.py`.

A statement counts as scoped where its own chain of calls names a condition of that module; queries that begin there
(`select_owned`, `get_owned` ...) are none of the statements looked at. The others stand in `UNSCOPED`, with the reason.
"""

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from tests.test_architecture import PACKAGE, sources

TENANCY = PACKAGE / "platform" / "tenancy.py"
MIGRATIONS = PACKAGE / "platform" / "migrations"
"""Change the tables of all organizations alike."""

STATEMENTS = {"select", "update", "delete"}
CONDITIONS = {"owned_by"}

UNSCOPED = {
    # Whose it is, is what is being found out.
    "organizations/api_keys.py ApiKeys.find": "whose key a request shows is not known before",
    "numbers/service.py <module>": "whose number is called is not known before",
    "trunks/service.py Trunks.calling": "whose trunk a call comes from is not known before",
    "trunks/service.py Trunks.calling_since": "whose trunk a call comes from is not known before",
    "trunks/service.py Trunks.count": "whether trunks of the deployment were deleted",
    "trunks/registrations.py Registrations.renew": "which trunks of the deployment this process registers",
    "trunks/registrations.py Registrations.release": "which trunks of the deployment this process registers",
    "trunks/registrations.py Registrations._add_missing": "each row with the organization of its trunk",
    "trunks/leases.py Leases.drop": "which trunks of the deployment are looked after",
    "trunks/leases.py Leases.take": "which trunks of the deployment this process looks after",
    "trunks/keep_alives.py KeepAlives.renew": "which trunks of the deployment this process asks",
    "trunks/keep_alives.py KeepAlives._read": "which trunks of the deployment this process asks",
    "trunks/keep_alives.py KeepAlives.release": "which trunks of the deployment this process asks",
    "trunks/channels.py Channels._turn": "the database's clock",
    "organizations/service.py _set_configured_key": "the deployment's own key, found by its hash",
    "calls/recordings.py Recordings._delete_unnamed": "whose calls have these files of the node, whosever they are",
    "calls/service.py Calls.claim": "a web call's token is found by its hash, and names its organization",
    "calls/service.py Calls._take": "a web call's token is found by its hash, and names its organization",
    "calls/recordings.py Recordings.named_by": "the signed address is the permission; it names one call",
    "calls/recordings.py Recordings._still_named": "whose call has this file of the node, whosever it is",
    # For whoever has the machine, and for the process itself.
    "organizations/service.py Organizations.ensure_key": "is there any key in the deployment",
    "numbers/service.py numbers_at_carriers": "the operator's command, for all organizations",
    "trunks/examining.py active_trunks": "the operator's command, for all organizations",
    "organizations/key_commands.py list_keys": "the operator's command, for all organizations",
    "organizations/key_commands.py revoke_any_key": "the operator's command, for any organization",
    "organizations/api_keys.py <module>": "last uses of keys that requests have shown, for all organizations together",
    "calls/service.py Calls.fail_unused": "a sweep over all organizations",
    "calls/service.py Calls._end_answered": "what was said in a call that `left_open` gave",
    "calls/service.py left_open": "the calls that a process held, whosever they are",
    "calls/ending.py <module>": "the calls of a process that are over; each is compared with who says so",
    "calls/presence.py Presence._show": "which processes of the deployment are alive",
    "jobs/store.py _insert_once": "a job of the deployment; the rows that it names are an organization's",
    "jobs/store.py JobStore.take_over_lost": "which processes of the deployment are alive",
    "calls/counts.py <module>": "merges counters, each within its organization",
    "webhooks/delivering.py <module>": "of all organizations together; each is compared with its job's owner",
    "platform/rotation.py _renew_batch": "encrypts the secrets of all organizations anew",
    # Of what is known to be the organization's.
    "organizations/credit.py _payer": "the organization itself, under another name in the statement",
    "organizations/keys.py revoke_key": "reads the row that it was given again",
    "calls/counts.py count": "sums of scoped queries",
    "calls/counts.py usage": "sums of scoped queries",
    "calls/counts.py seek": "one row of a scoped query",
}
"""Where a statement is not scoped, and why that is right."""


@dataclass(frozen=True)
class Tables:
    owned: dict[str, str]
    """Names of tables by their classes."""
    others: frozenset[str]
    """Classes of tables that are no organization's."""


def tables() -> Tables:
    owned, others = {}, set()
    for path in sources("src/dialtone"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            columns = {ast.unparse(part.target) for part in node.body if isinstance(part, ast.AnnAssign)}
            named = [part.value for part in node.body if isinstance(part, ast.Assign) and _assigns(part)]
            if not named:
                continue
            if "organization_id" in columns or "Owned" in {ast.unparse(base) for base in node.bases}:
                owned[node.name] = str(ast.literal_eval(named[0]))
            else:
                others.add(node.name)
    return Tables(owned, frozenset(others))


def _assigns(part: ast.Assign) -> bool:
    return [ast.unparse(target) for target in part.targets] == ["__tablename__"]


def unscoped(source: str, known: Tables) -> Iterator[tuple[str, str]]:
    """The function that each unscoped statement of a file is in, and the statement."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    of_file = CONDITIONS | {node.name for node in tree.body if _returns_condition(node)}
    aliases = _aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            place, function = _place(node, parents)
            conditions = of_file | (_variables(function) if function else set())
            if _is_unscoped(node, _Names(_chain(node, parents), aliases), known, conditions):
                yield place, ast.unparse(node)


def _is_condition(value: ast.expr | None) -> bool:
    """`owned_by(...)`, alone or before others."""
    match value:
        case ast.Call(func=ast.Name("and_"), args=[first, *_]) | ast.Tuple(elts=[first, *_]):
            return _is_condition(first)
        case ast.Call(func=ast.Name(name)):
            return name in CONDITIONS
    return False


def _returns_condition(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return (
        isinstance(node, ast.FunctionDef)
        and isinstance(node.body[-1], ast.Return)
        and _is_condition(node.body[-1].value)
    )


def _variables(function: ast.AST) -> set[str]:
    """Names that a function gives to conditions."""
    return {
        ast.unparse(target)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and _is_condition(node.value)
        for target in node.targets
    }


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Names that a file gives to tables, and the tables' classes."""
    aliases = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Attribute) and part.attr == "__table__":
                    aliases[ast.unparse(node.targets[0])] = ast.unparse(part.value)
    return aliases


class _Names(set[str]):
    """All names in a statement, tables by their classes."""

    def __init__(self, statement: ast.AST, aliases: dict[str, str]) -> None:
        names = (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
        super().__init__(aliases.get(name, name) for name in names)


def _is_unscoped(call: ast.Call, names: set[str], known: Tables, conditions: Collection[str]) -> bool:
    """`names`: all that stand in the statement that the call begins."""
    of_nobody = names & known.others and not names & known.owned.keys()
    function = call.func
    if isinstance(function, ast.Name) and function.id in STATEMENTS:
        return not of_nobody and names.isdisjoint(conditions)
    if isinstance(function, ast.Name) and function.id == "text":
        words = {word for part in ast.walk(call) if isinstance(part, ast.Constant) for word in _words(part.value)}
        return bool(words & set(known.owned.values()))
    if isinstance(function, ast.Attribute) and function.attr in ("get", "get_one"):
        return bool(call.args) and ast.unparse(call.args[0]) in known.owned
    if isinstance(function, ast.Attribute) and function.attr == "on_conflict_do_update":
        return "'organization_id'" not in ast.unparse(call)
    return False


def _words(value: object) -> list[str]:
    return re.findall(r"\w+", value) if isinstance(value, str) else []


def _chain(call: ast.Call, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    """`select(...)` with all that is called on it: `select(...).where(...).limit(...)`."""
    node: ast.AST = call
    while isinstance(attribute := parents.get(node), ast.Attribute) and attribute.value is node:
        outer = parents.get(attribute)
        if not isinstance(outer, ast.Call) or outer.func is not attribute:
            break
        node = outer
    return node


def _place(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[str, ast.AST | None]:
    """The outermost function around a node: its name with its class, and itself."""
    names: list[str] = []
    function: ast.AST | None = None
    at: ast.AST | None = node
    while at is not None:
        if isinstance(at, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(at.name)
            function = function if isinstance(at, ast.ClassDef) else at
        at = parents.get(at)
    return ".".join(reversed(names)) or "<module>", function


def found(known: Tables) -> dict[str, list[str]]:
    """All unscoped statements, by their places."""
    places: dict[str, list[str]] = {}
    for path in sources("src/dialtone"):
        if path != TENANCY and MIGRATIONS not in path.parents and _uses_sqlalchemy(path):
            for place, statement in unscoped(path.read_text(), known):
                places.setdefault(f"{path.relative_to(PACKAGE)} {place}", []).append(statement)
    return places


def _uses_sqlalchemy(path: Path) -> bool:
    return "sqlalchemy" in path.read_text() or "session" in path.read_text()


def test_the_tables_of_tenants_are_known() -> None:
    known = tables()
    assert {"Assistant", "Call", "CallMessage", "WebCallToken", "ApiKey", "ChatTotal"} <= known.owned.keys()
    assert {"Organization", "DataKey"} <= known.others


def test_every_statement_is_scoped_or_says_why_not() -> None:
    places = found(tables())
    assert {place: statements for place, statements in places.items() if place not in UNSCOPED} == {}
    assert UNSCOPED.keys() - places.keys() == set(), "no longer there"


def test_the_rule_catches_what_it_should() -> None:
    known = Tables({"Call": "calls", "ApiKey": "api_keys"}, frozenset({"Organization"}))

    def caught(statement: str) -> bool:
        helper = "_rows = cast(Table, Call.__table__)\ndef own(x):\n    return and_(owned_by(Call, x), x)\n"
        local = "async def f(session, x):\n    of_call = owned_by(Call, x), Call.id == x\n"
        return bool(list(unscoped(f"{helper}{local}    return {statement}\n", known)))

    for statement in (
        "select(Call).where(Call.id == x)",
        "select(x).limit(1)",
        "select(_rows).limit(1)",
        "select(Call.id, Organization.name).join(Organization)",
        "update(Call).where(Call.organization_id == x).values(status='ended')",
        "await session.execute(delete(ApiKey).where(ApiKey.id.in_(x)))",
        "await session.get(Call, x)",
        "text('DELETE FROM calls WHERE id = :id')",
        "x.on_conflict_do_update(index_elements=['id'], set_=x)",
    ):
        assert caught(statement), statement
    for statement in (
        "select(Call).where(owned_by(Call, x), Call.id == x)",
        "update(Call).where(owned_by(Call, x)).values(status='ended')",
        "delete(Call).where(own(x))",
        "delete(Call).where(*of_call)",
        "select(Organization).where(Organization.id == x)",
        "select_owned(Call, x).where(Call.id == x)",
        "text('SELECT pg_advisory_xact_lock(1)')",
        "x.on_conflict_do_update(index_elements=['organization_id', 'provider'], set_=x)",
    ):
        assert not caught(statement), statement
