"""What a person types: `dialtone serve`, `call`, `keys`, `models`, `demo`, `version`. Parts load only when used."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
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
    _add_models(commands)
    commands.add_parser("demo", help="a recorded caller talks to a demo assistant", add_help=False)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(command=_version)
    return parser


def _add_keys(commands: Any) -> None:
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    keys.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("--organization", metavar="NAME_OR_ID", help="default: the first organization")
    create.set_defaults(command=_keys_create)
    listing = actions.add_parser("list", help="list the keys")
    listing.set_defaults(command=_keys_list)
    revoke = actions.add_parser("revoke", help="revoke a key")
    revoke.add_argument("key", help="its id, or the key itself")
    revoke.set_defaults(command=_keys_revoke)


def _add_models(commands: Any) -> None:
    models = commands.add_parser("models", help="fetch and list local speech models")
    models.add_argument("--data-dir", type=Path, help="default: DIALTONE_DATA_DIR or ./data")
    actions = models.add_subparsers(required=True, metavar="ACTION")
    pull = actions.add_parser("pull", help="fetch local speech models")
    pull.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: the recommended ones)")
    pull.set_defaults(command=_models_pull)
    listing = actions.add_parser("list", help="list the models that can be fetched, and those that are here")
    listing.set_defaults(command=_models_list)


def _settings(arguments: argparse.Namespace) -> "Settings":
    """Settings of the environment, with the command line's on top. Exits with 2 where one is out of range."""
    from pydantic import ValidationError

    from dialtone.settings import Settings

    names = ("host", "port", "data_dir")
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    try:
        return Settings(**given)
    except ValidationError as problem:
        for found in problem.errors():
            _complain(f"{'.'.join(map(str, found['loc']))}: {found['msg']}")
        raise SystemExit(2) from None


def _complain(words: object) -> int:
    print(f"dialtone: {words}", file=sys.stderr)
    return 1


def _serve(arguments: argparse.Namespace) -> int:
    from dialtone.serving import serve

    settings = _settings(arguments)
    try:
        return serve(settings, drain_seconds=arguments.drain)
    except (OSError, ValueError) as problem:
        return _complain(problem)


def _call(arguments: argparse.Namespace) -> int:
    from dialtone.client.call_command import run

    return run(arguments)


def _keys_create(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.keys import create_key

    async def create(database: "Database") -> None:
        print(await create_key(database, arguments.organization))

    return _with_database(arguments, create)


def _keys_list(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.keys import list_keys
    from dialtone.platform.db import iso

    async def show(database: "Database") -> None:
        for key in await list_keys(database):
            origin = "  (DIALTONE_API_KEY)" if key.from_settings else ""
            print(f"{key.id}  {key.prefix}...  {iso(key.created_at)}  {key.organization}{origin}")

    return _with_database(arguments, show)


def _keys_revoke(arguments: argparse.Namespace) -> int:
    from dialtone.organizations.keys import revoke_key

    async def revoke(database: "Database") -> None:
        entry = await revoke_key(database, arguments.key)
        print(f"revoked {entry.prefix}... of {entry.organization}")

    return _with_database(arguments, revoke)


def _with_database(arguments: argparse.Namespace, work: Callable[["Database"], Coroutine[Any, Any, None]]) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from dialtone.organizations.keys import KeyChangeError
    from dialtone.platform.db import Database

    async def run() -> None:
        database = Database(_settings(arguments))
        try:
            await database.migrate()
            await work(database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except (KeyChangeError, SQLAlchemyError, OSError, ValueError) as problem:
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


def _demo(arguments: Sequence[str]) -> int:
    from dialtone.demo import main as demo

    code: int = demo(list(arguments))
    return code


def _version(_arguments: argparse.Namespace) -> int:
    print(f"dialtone {__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
