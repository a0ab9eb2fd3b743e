"""Copies of the whole database in one file, and their return into an empty one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import InputRefused, NotAvailable, UsageProblem
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.operations import audit, migrate
from outfitswap_desktop.server.services import now_ms
from outfitswap_desktop.server.tables.accounts import accounts

FORMAT: Final = 1
_RECORDS: Final = "records"
_MANIFEST: Final = "manifest.json"
_KEYS: Final = "keys/"
_SECRETS: Final = "secrets/"
_SECRET_FILES: Final = ("licence-pepper",)
"""Files of the server's own folder without which licence keys and sign-ins of the site do not count any more."""


def write(settings: Settings, target: Path, *, keys: bool) -> str:
    """Write `target` (readable by its owner alone) from the database as it is at one moment; one sentence about it.

    SQLite by its own VACUUM INTO, PostgreSQL by pg_dump's custom format. With `keys`, signing keys and secrets are in it too.
    Raises UsageProblem if `target` exists, NotAvailable if the database or pg_dump is.
    """
    if target.exists():
        raise UsageProblem(f"{target} exists already.", reason="exists", hint="Name another file.")
    url = make_url(settings.url)
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder:
        records = Path(folder) / _RECORDS
        (_copy_sqlite if url.get_backend_name() == "sqlite" else _dump)(url, records)
        manifest = {
            "format": FORMAT,
            "version": __version__,
            "database": url.get_backend_name(),
            "revision": _revision(settings),
            "at": now_ms(),
            "sha256": _sha256(records),
            "keys": keys,
        }
        part = Path(folder) / "part"
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            text = json.dumps(manifest, indent=1).encode()
            header = tarfile.TarInfo(_MANIFEST)
            header.size, header.mode = len(text), 0o600
            archive.addfile(header, io.BytesIO(text))
            archive.add(records, _RECORDS)
            for name, path in _secret_files(settings) if keys else ():
                archive.add(path, name)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    size = target.stat().st_size / 1_000_000
    return f"{target}: {size:.1f} MB, revision {manifest['revision']}{', with keys: keep it like one' if keys else ''}."


def restore(settings: Settings, source: Path) -> str:
    """Fill the empty database that `settings` name from `source`; the ledger and the audit chain are checked then.

    Raises UsageProblem if there are records (or other keys) already, InputRefused for a damaged file or one of the other
    kind of database, NotAvailable if pg_restore is missing.
    """
    url = make_url(settings.url)
    _must_be_empty(settings)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".restore-") as folder:
        manifest = _unpack(source, Path(folder))
        if manifest["database"] != url.get_backend_name():
            raise InputRefused(
                f"{source} is of {manifest['database']}, the database of {url.get_backend_name()}.", reason="other_kind"
            )
        if manifest["keys"] and (settings.keys / "keys.osk").exists():
            raise UsageProblem(f"{settings.keys} holds keys already.", reason="not_empty", hint="Move them away first.")
        records = Path(folder) / _RECORDS
        (_return_sqlite if url.get_backend_name() == "sqlite" else _load)(url, records)
        if manifest["keys"]:
            _return_secrets(settings, Path(folder))
    return _check(settings, manifest)


def _secret_files(settings: Settings) -> list[tuple[str, Path]]:
    keys = [(_KEYS + path.name, path) for path in sorted(settings.keys.iterdir()) if path.is_file()]
    return keys + [(_SECRETS + name, settings.home / name) for name in _SECRET_FILES if (settings.home / name).exists()]


def _return_secrets(settings: Settings, folder: Path) -> None:
    for part, home in (("keys", settings.keys), ("secrets", settings.home)):
        for path in sorted((folder / part).glob("*")):
            target = home / path.name
            descriptor = os.open(target, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(path.read_bytes())


def _copy_sqlite(url: URL, target: Path) -> None:
    if not Path(url.database or "").exists():
        raise NotAvailable("There is no database yet.", reason="no_database", hint="Start the server once.")
    with closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True, timeout=60)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def _return_sqlite(url: URL, records: Path) -> None:
    with (
        closing(sqlite3.connect(records)) as source,
        closing(sqlite3.connect(url.database or "", timeout=60)) as target,
    ):
        if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise InputRefused("The records in the backup are damaged.", reason="damaged")
        source.backup(target)


def _dump(url: URL, target: Path) -> None:
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def _load(url: URL, records: Path) -> None:
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--no-privileges",
        "--clean",
        "--if-exists",
        "--exit-on-error",
        "--single-transaction",
        str(records),
    )


def _run(program: str, url: URL, *arguments: str) -> None:
    """PostgreSQL's own program on the database of `url`; the password goes by the environment, where nobody else reads it."""
    asked = {name: value for name, value in url.query.items() if isinstance(value, str)}
    places = {
        "PGHOST": asked.get("host") or url.host,
        "PGPORT": asked.get("port") or (str(url.port) if url.port else None),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGSSLMODE": asked.get("sslmode"),
    }
    environment = {**os.environ, **{name: str(value) for name, value in places.items() if value}}
    try:
        done = subprocess.run(
            [program, f"--dbname={url.database}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as problem:
        raise NotAvailable(
            f"{program} is not installed here.", reason="no_program", hint="It comes with postgresql-client."
        ) from problem
    if done.returncode != 0:
        raise NotAvailable(
            f"{program}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}", reason="database"
        )


def _must_be_empty(settings: Settings) -> None:
    database = Database(settings.url)
    try:
        with database.reading() as tx:
            some = migrate.revision(tx) is not None and tx.execute(select(accounts.c.id).limit(1)).first() is not None
    except SQLAlchemyError as problem:
        raise NotAvailable("The database does not answer.", reason="database") from problem
    finally:
        database.close()
    if some:
        raise UsageProblem(
            "The database holds accounts already.", reason="not_empty", hint="Restore into an empty one."
        )


def _unpack(source: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(source, "r:") as archive:
            archive.extractall(folder, filter="data")
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except (OSError, tarfile.TarError, ValueError) as problem:
        raise InputRefused(f"{source} is no backup of this server.", reason="damaged") from problem
    if manifest.get("format") != FORMAT or manifest.get("sha256") != _sha256(folder / _RECORDS):
        raise InputRefused(f"{source} is damaged, or of a newer version.", reason="damaged")
    return manifest


def _check(settings: Settings, manifest: dict[str, Any]) -> str:
    from outfitswap_desktop.server.ledger.verify import snapshot, verify

    database = Database(settings.url)
    try:
        migrate.upgrade(database)
        with database.reading() as tx:
            snapshot(tx)
            report = verify(tx)
            intact, chain = audit.verify(tx)
    finally:
        database.close()
    books = "adds up" if report.ok else f"OFF {report.off}"
    words = f"Restored revision {manifest['revision']}. Ledger: {books}. Audit: {chain}"
    if not report.ok or not intact:
        raise InputRefused(words, reason="off", hint="Do not serve from it before this is understood.")
    return words


def _revision(settings: Settings) -> str | None:
    database = Database(settings.url)
    try:
        return migrate.current(database)
    finally:
        database.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
