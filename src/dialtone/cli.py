"""What a person types: `dialtone serve`, `call`, `keys`, `organizations`, `db`, `jobs`, `models`, `webhooks`,
`doctor`, `demo`, `version`.

Parts load only when used.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialtone import __version__

if TYPE_CHECKING:
    from dialtone.platform.db import Database
    from dialtone.settings import Settings

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["demo"]:
        return _demo(given[1:])
    parsed = _parser(given).parse_args(given)
    command: Command = parsed.command
    try:
        return command(parsed)
    except BrokenPipeError:
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dialtone", description="AI assistants that answer and place real calls.")
    parser.add_argument("--version", action="version", version=f"dialtone {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="start the server")
    serve.add_argument("--host", help="address to listen on (default: DIALTONE_HOST or 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port; 0 picks a free one (default: DIALTONE_PORT or 8080)")
    serve.add_argument("--data-dir", type=Path, help="where everything is kept (default: DIALTONE_DATA_DIR or ./data)")
    serve.add_argument(
        "--drain",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="on SIGTERM or Ctrl-C, how long live calls may go on (default: %(default)g)",
    )
    serve.set_defaults(command=_serve)

    call = commands.add_parser("call", help="call an assistant with a recorded caller")
    if given[:1] == ["call"]:
        from dialtone.client.call_command import add_arguments

        add_arguments(call)
    call.set_defaults(command=_call)
    _add_keys(commands)
    _add_organizations(commands)
    _add_db(commands)
    _add_jobs(commands)
    _add_models(commands)
    _add_webhooks(commands)
    _add_doctor(commands)
    commands.add_parser("demo", help="a recorded caller talks to a demo assistant", add_help=False)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(command=_version)
    return parser


def _add_keys(commands: Any) -> None:
    keys = commands.add_parser(
        "keys", help="make, list and revoke API keys; renew the encryption keys of stored secrets"
    )
    keys.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make an API key and print it, once")
    create.add_argument("--organization", metavar="NAME_OR_ID", help="default: the first organization")
    create.add_argument("--name", help="what the key is for")
    create.add_argument("--expires", metavar="TIME", help="e.g. 2027-01-31, or 2027-01-31T09:30+01:00 (default: never)")
    create.set_defaults(command=_keys_create)
    listing = actions.add_parser("list", help="list the API keys")
    listing.set_defaults(command=_keys_list)
    revoke = actions.add_parser("revoke", help="revoke an API key")
    revoke.add_argument("key", help="its id, or the key itself")
    revoke.set_defaults(command=_keys_revoke)
    rotate = actions.add_parser(
        "rotate",
        help="renew the encryption keys: encrypt every stored secret anew (API keys stay as they are)",
        description="Encrypt every stored secret with a new data key, and the data keys with the newest master key, "
        "the first of DIALTONE_SECRET_KEY. Servers may run meanwhile; API keys stay as they are.",
    )
    rotate.set_defaults(command=_keys_rotate)


def _add_organizations(commands: Any) -> None:
    organizations = commands.add_parser("organizations", help="list and make organizations, and give them minutes")
    organizations.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = organizations.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the organizations and their minutes")
    listing.set_defaults(command=_organizations_list)
    create = actions.add_parser("create", help="make an organization, and print its id and, once, its first API key")
    create.add_argument("name")
    create.add_argument("--parent", metavar="NAME_OR_ID", help="the organization above, whose minutes its calls use")
    create.set_defaults(command=_organizations_create)
    credit = actions.add_parser("credit", help="add minutes to an organization's balance")
    credit.add_argument("organization", metavar="NAME_OR_ID")
    credit.add_argument("minutes", type=float, help="may be a fraction; below zero takes minutes away")
    credit.set_defaults(command=_organizations_credit)


def _add_db(commands: Any) -> None:
    database = commands.add_parser("db", help="upgrade the database's schema, or tell its version")
    database.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = database.add_subparsers(required=True, metavar="ACTION")
    upgrade = actions.add_parser("upgrade", help="bring the schema up to date, as a start of the server does")
    upgrade.set_defaults(command=_db_upgrade)
    version = actions.add_parser("version", help="tell which schema the database has, and which one is needed")
    version.set_defaults(command=_db_version)


def _add_jobs(commands: Any) -> None:
    jobs = commands.add_parser("jobs", help="see durable work that failed")
    jobs.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = jobs.add_subparsers(required=True, metavar="ACTION")
    failed = actions.add_parser("failed", help="list the jobs of the last 30 days that failed for good, newest first")
    failed.add_argument("--limit", type=int, default=100, help="how many at most (default: %(default)d)")
    failed.set_defaults(command=_jobs_failed)


def _add_models(commands: Any) -> None:
    models = commands.add_parser("models", help="fetch and list local speech models")
    models.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = models.add_subparsers(required=True, metavar="ACTION")
    pull = actions.add_parser("pull", help="fetch local speech models")
    pull.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: the recommended ones)")
    pull.set_defaults(command=_models_pull)
    listing = actions.add_parser("list", help="list the models that can be fetched, and those that are here")
    listing.set_defaults(command=_models_list)


def _add_webhooks(commands: Any) -> None:
    webhooks = commands.add_parser("webhooks", help="see webhooks on a developer's machine")
    actions = webhooks.add_subparsers(required=True, metavar="ACTION")
    listening = actions.add_parser(
        "listen",
        help="receive webhooks, check their signatures, and print them",
        description="Receive webhooks on this machine, check their signatures, and print them. A server on the same "
        "machine sends them here only with DIALTONE_ALLOW_PRIVATE_ADDRESSES=true.",
    )
    listening.add_argument("--port", type=int, default=9000, help="0 picks a free one (default: %(default)d)")
    listening.add_argument("--secret", help="the webhook_secret that they are signed with")
    listening.set_defaults(command=_webhooks_listen)


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="find out why something does not work")
    subjects = doctor.add_subparsers(required=True, metavar="SUBJECT")
    sip = subjects.add_parser(
        "sip",
        help="examine all that telephone calls need",
        description="Examine all that telephone calls need: addresses, ports, the certificate, trunks, logins and the "
        "way of the audio. Give it the server's environment; it changes nothing, and the server may run meanwhile. "
        "The exit code is 1 where something fails.",
    )
    sip.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    sip.add_argument("--host", help="the server's (default: DIALTONE_HOST or 127.0.0.1)")
    sip.add_argument("--port", type=int, help="the server's (default: DIALTONE_PORT or 8080)")
    sip.add_argument("--trunk", metavar="ID", help="the only trunk to examine (default: the newest 200 active ones)")
    sip.add_argument(
        "--timeout", type=float, default=4.0, metavar="SECONDS", help="how long answers may take (default: %(default)g)"
    )
    sip.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    sip.set_defaults(command=_doctor_sip)


def _settings(arguments: argparse.Namespace) -> "Settings":
    """Settings of the environment, with the command line's on top. Exits with 2 where one is out of range."""
    from pydantic import ValidationError

    from dialtone.platform.problems import validation_details
    from dialtone.settings import Settings

    names = ("host", "port", "data_dir")
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    try:
        return Settings(**given)
    except ValidationError as problem:
        for found in problem.errors():
            name = str(found["loc"][0])
            shown = f"--{name.replace('_', '-')}" if name in given else f"DIALTONE_{name.upper()}"
            for detail in validation_details([{**found, "loc": (shown,)}]):
                _complain(detail)
        raise SystemExit(2) from None


def _warn_of_unknown_settings() -> None:
    from dialtone.settings import unknown_variables

    for name, nearest in unknown_variables(os.environ):
        meant = f"; did you mean {nearest}?" if nearest is not None else ""
        print(f"dialtone: warning: {name} is no setting and changes nothing{meant}", file=sys.stderr)


def _complain(words: object) -> int:
    print(f"dialtone: {words}", file=sys.stderr)
    return 1


def _serve(arguments: argparse.Namespace) -> int:
    from dialtone.platform.crypto import SecretKeyError
    from dialtone.platform.migrate import SchemaError
    from dialtone.serving import serve

    settings = _settings(arguments)
    _warn_of_unknown_settings()
    try:
        return serve(settings, drain_seconds=arguments.drain)
    except (OSError, ValueError, SchemaError, SecretKeyError) as problem:
        return _complain(problem)


def _call(arguments: argparse.Namespace) -> int:
    from dialtone.client.call_command import run

    return run(arguments)


def _keys_create(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.key_commands import create_key, expiry

    async def create(database: "Database") -> None:
        expires_at = expiry(arguments.expires) if arguments.expires is not None else None
        print(await create_key(database, arguments.organization, name=arguments.name, expires_at=expires_at))

    return _with_database(arguments, create)


def _keys_list(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.key_commands import list_keys

    async def show(database: "Database") -> None:
        for key in await list_keys(database):
            print(key)

    return _with_database(arguments, show)


def _keys_revoke(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.key_commands import revoke_any_key

    async def revoke(database: "Database") -> None:
        entry = await revoke_any_key(database, arguments.key)
        print(f"revoked {entry.prefix}... of {entry.organization}")

    return _with_database(arguments, revoke)


def _keys_rotate(arguments: argparse.Namespace) -> int:
    import dialtone.server  # noqa: F401 - every room's tables, where secrets are
    from dialtone.platform.crypto import Secrets
    from dialtone.platform.rotation import rotate

    async def renew(database: "Database") -> None:
        await rotate(database, Secrets.from_settings(_settings(arguments)), partial(print, flush=True))

    return _with_database(arguments, renew)


def _organizations_list(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.organization_commands import list_organizations

    async def show(database: "Database") -> None:
        for organization in await list_organizations(database):
            print(organization)

    return _with_database(arguments, show)


def _organizations_create(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.organization_commands import create_organization

    async def create(database: "Database") -> None:
        organization_id, key = await create_organization(database, arguments.name, arguments.parent)
        print(f"{organization_id}  {key}")

    return _with_database(arguments, create)


def _organizations_credit(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.organization_commands import change_balance
    from dialtone.platform.problems import number

    async def change(database: "Database") -> None:
        balance = await change_balance(database, arguments.organization, arguments.minutes)
        print(f"{number(balance)} minutes")

    return _with_database(arguments, change)


def _db_upgrade(arguments: argparse.Namespace) -> int:
    async def upgrade(database: "Database") -> None:
        before = await database.revision()
        await database.upgrade()
        after = await database.revision()
        if before == after:
            print(f"the database has schema {after}: nothing to do")
        else:
            print(f"the database was upgraded from {f'schema {before}' if before else 'nothing'} to schema {after}")

    return _with_database(arguments, upgrade, migrate=False)


def _db_version(arguments: argparse.Namespace) -> int:
    from dialtone.platform.migrate import newest_revision

    async def tell(database: "Database") -> None:
        found = await database.revision()
        shown = f"schema {found}" if found else "no schema"
        print(f"the database {database.place} has {shown}; this version needs {newest_revision()}")

    return _with_database(arguments, tell, migrate=False)


def _jobs_failed(arguments: argparse.Namespace) -> int:
    from dialtone.jobs.jobs import Jobs

    async def show(database: "Database") -> None:
        for job in await Jobs(database).failed(max(arguments.limit, 0)):
            print(job)

    return _with_database(arguments, show)


def _with_database(
    arguments: argparse.Namespace, work: Callable[["Database"], Coroutine[Any, Any, None]], *, migrate: bool = True
) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from dialtone.organizations.keys import KeyChangeError
    from dialtone.platform.crypto import SecretKeyError
    from dialtone.platform.db import Database
    from dialtone.platform.migrate import SchemaError
    from dialtone.platform.rotation import RotationError

    async def run() -> None:
        database = Database(_settings(arguments))
        try:
            if migrate:
                await database.migrate(make=False)
            await work(database)
        finally:
            await database.close()

    refusals = (KeyChangeError, SchemaError, SecretKeyError, RotationError)
    try:
        asyncio.run(run())
    except (*refusals, SQLAlchemyError, OSError, ValueError) as problem:
        return _complain(problem)
    return 0


def _models_pull(arguments: argparse.Namespace) -> int:
    from dialtone.providers.local import models

    arguments.data_dir = _settings(arguments).data_dir
    code: int = models.main_pull(arguments)
    return code


def _models_list(arguments: argparse.Namespace) -> int:
    from dialtone.providers.local import models

    arguments.data_dir = _settings(arguments).data_dir
    code: int = models.main_list(arguments)
    return code


def _webhooks_listen(arguments: argparse.Namespace) -> int:
    from dialtone.webhooks.listen import listen

    try:
        asyncio.run(listen(arguments.port, arguments.secret, partial(print, flush=True)))
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as problem:
        return _complain(problem)
    return 0


def _doctor_sip(arguments: argparse.Namespace) -> int:
    from dialtone.doctor import report
    from dialtone.doctor.telephone import examine

    _warn_of_unknown_settings()
    try:
        findings = asyncio.run(examine(_settings(arguments), arguments.trunk, max(arguments.timeout, 0.1)))
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        print(json.dumps(report.document(findings), indent=2))
    else:
        for line in report.lines(findings):
            print(line)
    return 1 if report.verdict(findings) == "failed" else 0


def _demo(arguments: Sequence[str]) -> int:
    from dialtone.demo import main as demo

    code: int = demo(list(arguments))
    return code


def _version(_arguments: argparse.Namespace) -> int:
    print(f"dialtone {__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
