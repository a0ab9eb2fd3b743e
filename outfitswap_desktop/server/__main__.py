"""The server's command line: serve, worker, migrate, backup, restore, and what administrators do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outfitswap_desktop.errors import EXIT_BUG, KnownError, UsageProblem
from outfitswap_desktop.server.admin import commands as admin

if TYPE_CHECKING:
    from outfitswap_desktop.server.config import Settings

app = typer.Typer(
    name="outfitswap-server",
    help="Sells credits for OutfitSwap Desktop and hands them out. Settings come from the environment: docs/operations.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(admin.make(), name="admin")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; else HOST, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any; else PORT, else 8000.")] = None,
    sweeps: Annotated[bool, typer.Option(help="Also do what is due by itself (else run `worker` somewhere).")] = True,
) -> None:
    """Serve the API and the account site, after bringing the database up to date."""
    from outfitswap_desktop.server.operations import serving

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    serving.serve(settings(**given), tell=typer.echo, sweeps=sweeps)


@app.command()
def worker() -> None:
    """Do only what is due by itself: expiries, e-mails, reconciling."""
    from outfitswap_desktop.server.operations import serving

    serving.work(settings(), tell=typer.echo)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 3 when the database is not up to date.")
    ] = False,
    down: Annotated[str, typer.Option(help="Go back to this revision; what only newer tables hold is lost.")] = "",
) -> None:
    """Bring the database up to date (`serve` does so by itself)."""
    from outfitswap_desktop.server.database import Database
    from outfitswap_desktop.server.operations import migrate as schema

    database = Database(settings().url)
    try:
        if check:
            found, wanted = schema.current(database), schema.newest()
            typer.echo(f"{found or 'empty'}, this version works with {wanted}")
            raise typer.Exit(0 if found == wanted else 3)
        before, after = schema.downgrade(database, down) if down else schema.upgrade(database)
        typer.echo(f"{before or 'empty'} -> {after or 'empty'}")
    finally:
        database.close()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write; must not exist.")],
    keys: Annotated[
        bool, typer.Option("--keys", help="Take the signing keys and secrets along; keep the file like a key.")
    ] = False,
) -> None:
    """Write the whole database, as it is at one moment, into one file; the server may run meanwhile."""
    from outfitswap_desktop.server.operations import backup as copies

    typer.echo(copies.write(settings(), target, keys=keys))


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
) -> None:
    """Fill an empty database (and an empty keys' folder) from a backup, and check ledger and audit chain afterwards."""
    from outfitswap_desktop.server.operations import backup as copies

    typer.echo(copies.restore(settings(), source))


def settings(**given: object) -> Settings:
    """The settings from the environment, with `given` before them; raises UsageProblem naming the variable that is wrong."""
    from pydantic import ValidationError

    from outfitswap_desktop.server.config import Settings

    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        raise UsageProblem(f"{name}: {first['msg']}.", reason="setting", hint="See docs/operations.md.") from problem


def main() -> None:
    """Run; exit codes as the program's: 0 done, 2 usage, 3 refused, 4 not available, 70 our bug."""
    try:
        app(standalone_mode=True)
    except KnownError as problem:
        typer.echo(f"{problem.message} {problem.hint}".rstrip(), err=True)
        sys.exit(problem.exit_code)
    except Exception as problem:  # noqa: BLE001 - the last place to say what happened
        from outfitswap_desktop.server.admin.words import explain

        typer.echo(explain(problem), err=True)
        sys.exit(EXIT_BUG)


if __name__ == "__main__":
    main()
