"""The records of one installation in one: consents, the audit log, and the roots of results.

ledger = Ledger(data_folder)                      # None: in memory, with a key that is gone with the process
ledger.consent_for(sha256, perceptual) -> Consent | None;  ledger.give(consent) -> Consent
ledger.log(schema.decision("output", "refused", gate="skin", reason="output_skin", scores={...}))
ledger.released(result_sha256, pixels_sha256, mark, root, looks)
ledger.root_of(file_sha256=..., pixels_sha256=..., mark=...) -> RootEvidence | None;  ledger.known_ours(mark)
ledger.verify() -> AuditReport;  ledger.close()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from outfitswap_desktop.private import Backend, real_backend
from outfitswap_desktop.safety.records.audit import AuditLog
from outfitswap_desktop.safety.records.consent import Consent
from outfitswap_desktop.safety.records.consents import Consents
from outfitswap_desktop.safety.records.database import FILE
from outfitswap_desktop.safety.records.evidence import RootEvidence
from outfitswap_desktop.safety.records.keys import SAFETY, Keys
from outfitswap_desktop.safety.records.lineage import Lineage
from outfitswap_desktop.safety.records.report import AuditReport


class Ledger:
    """Opens nothing until it is asked; every method may raise NotAvailable ("audit_unavailable"), and then nothing is released.

    `folder` is the program's data folder; the records lie in "safety" below it. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        clock: Callable[[], float] = time.time,
        find_backend: Callable[[], Backend | None] = real_backend,
    ) -> None:
        self.folder = folder
        self.keys = Keys(folder, find_backend=find_backend)
        self.audit = AuditLog(None if folder is None else folder / SAFETY / FILE, self.keys, clock=clock)
        self.consents = Consents(self.audit)
        self.lineage = Lineage(self.audit)

    @property
    def notice(self) -> str:
        """What the user should know of where the key lies, "" when there is nothing to say."""
        return self.keys.notice

    def consent_for(self, sha256: str, perceptual: int) -> Consent | None:
        """A consent that holds now for the photo with this hash, or for one that it is a re-save of."""
        return self.consents.find(sha256, perceptual)

    def give(self, consent: Consent) -> Consent:
        """Record a consent; returns it as recorded (its time may be corrected)."""
        return self.consents.give(consent)

    def log(self, event: Mapping[str, Any]) -> int:
        """Log one event of schema.OPEN; returns its number. Raises EventRefusedError when it does not fit."""
        return self.audit.append(event)

    def released(
        self,
        result_sha256: str,
        pixels_sha256: str,
        mark: bytes | None,
        root: RootEvidence,
        looks: bytes | None = None,
    ) -> int:
        """Log a released picture with its root's evidence, before it is shown or saved."""
        return self.lineage.released(result_sha256, pixels_sha256, mark=mark, root=root, looks=looks)

    def root_of(self, *, file_sha256: str, pixels_sha256: str, mark: bytes | None) -> RootEvidence | None:
        """The root's evidence of a picture released here, None for others; GateRefused ("lineage_damaged") when in doubt."""
        return self.lineage.root_of(file_sha256=file_sha256, pixels_sha256=pixels_sha256, mark=mark)

    def root_like(self, looks: bytes) -> RootEvidence | None:
        """The root's evidence of the picture released here that looks like this one, None when none does."""
        return self.lineage.root_like(looks)

    def known_ours(self, mark: bytes) -> bool:
        """Whether a picture with this mark was released here."""
        return self.lineage.known_ours(mark)

    def verify(self) -> AuditReport:
        """Look through the whole log; changes nothing, never raises."""
        return self.audit.verify()

    def close(self) -> None:
        """Tell the key store of the newest entry, and close the file. May be called twice."""
        self.audit.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
