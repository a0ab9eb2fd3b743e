"""The credits of one job on its way through the runner: set aside, then spent or given back, each at most once."""

from __future__ import annotations

import logging
from typing import Final

from outfitswap_desktop.core.steps import CreditGate, CreditHold
from outfitswap_desktop.errors import KnownError

UNPAYABLE: Final = frozenset(
    {"signed_out", "no_credits", "debt", "account_frozen", "device_suspect", "clock_moved_back"}
)
"""Reasons for which the next job of the same engine could not be paid either, until somebody has done something about it."""
_log = logging.getLogger(__name__)


class JobCredits:
    """What the runner asks of the gate for one job; without a gate nothing is charged."""

    def __init__(self, gate: CreditGate | None, job: str | None) -> None:
        self._gate = gate
        self._job = job or ""
        self._hold: CreditHold | None = None

    @property
    def hold(self) -> str | None:
        """The id that is kept with the entry; None where nothing is charged."""
        return self._hold.id if self._hold is not None else None

    def reserve(self, engine: str) -> None:
        """Set the price of one image aside; raises NotAvailable."""
        if self._gate is not None and self._hold is None:
            self._hold = self._gate.reserve(engine=engine, job=self._job)

    def spend(self, output_sha256: str) -> None:
        """The result is in its place and recorded. What cannot be written down now is settled by the next start."""
        hold, self._hold = self._hold, None
        if hold is None:
            return
        try:
            hold.commit(output_sha256=output_sha256)
        except KnownError as problem:
            _log.warning("hold %s is settled at the next start: %s", hold.id, problem)

    def give_back(self, problem: BaseException) -> None:
        """The job has ended without a result."""
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.void(getattr(problem, "reason", "") or type(problem).__name__.lower())
