"""The parts of the credits joined for one data folder: journal, secrets, clock, server, lease, gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.licensing.clock import HighWater
from outfitswap_desktop.licensing.gate import Gate
from outfitswap_desktop.licensing.identity import Identity
from outfitswap_desktop.licensing.lease_book import LeaseBook, keep_time, kept_time
from outfitswap_desktop.licensing.office import Office
from outfitswap_desktop.licensing.reporting import Reporting
from outfitswap_desktop.licensing.vault import Vault
from outfitswap_desktop.store.lease_journal import LeaseJournal

if TYPE_CHECKING:
    import httpx

LICENCE_FILE: Final = "licence.db"
"""Its name in the data folder (paths.licence_file)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What works together for one data folder."""

    journal: LeaseJournal
    clock: HighWater
    identity: Identity
    office: Office
    book: LeaseBook
    reporting: Reporting
    gate: Gate

    def close(self) -> None:
        """Close files and connections."""
        self.office.close()
        self.journal.close()


def open_parts(
    folder: Path,
    *,
    vault: Vault | None,
    transport: httpx.BaseTransport | None,
    verify: Any,
    wall: Callable[[], int],
) -> Parts:
    """Open the journal below `folder` and join the rest to it; the keyring is not asked before a secret is needed."""
    secrets = vault if vault is not None else Vault(folder)
    journal = LeaseJournal(folder / LICENCE_FILE)
    clock = HighWater(lambda: kept_time(journal, secrets), keep=lambda at: keep_time(journal, secrets, at), wall=wall)
    identity = Identity(folder, secrets, clock)
    office = Office(journal, identity, clock, transport=transport, verify=verify)
    book = LeaseBook(journal, secrets, identity, clock=clock, keys=office.keys)
    reporting = Reporting(office, book, clock)
    return Parts(journal, clock, identity, office, book, reporting, Gate(office, book, clock=clock.now))
