"""The clock of the credits: the machine's own, held against the latest time that it has ever seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from outfitswap_desktop.errors import NotAvailable

SLACK_MS: Final = 600_000
"""A clock that is set right by less than this is nobody's fault."""


def wall_ms() -> int:
    """The machine's clock in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class HighWater:
    """The latest time seen: by the machine's clock, the server's, receipts', and by how long this process has run since.

    `kept` gives the time that was kept when it is first needed, `keep` keeps one that is to count although it is earlier;
    `wall` gives milliseconds, `steady` seconds that never go back.
    """

    def __init__(
        self,
        kept: Callable[[], int],
        *,
        keep: Callable[[int], None] = lambda at: None,
        wall: Callable[[], int] = wall_ms,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: Callable[[], int] | None = kept
        self._keep = keep
        self._wall = wall
        self._steady = steady
        self._seen = 0
        self._since = steady()

    def now(self) -> int:
        """The time to reckon with: the machine's, unless a later one was seen."""
        self.see(self._wall())
        return self._seen

    def machine(self) -> int:
        """What the machine's clock says."""
        return self._wall()

    @property
    def seen(self) -> int:
        """The latest time seen, with the time passed since."""
        return self._seen + int((self._steady() - self._since) * 1000)

    def see(self, at: int) -> None:
        """Take note of a time; an earlier one changes nothing."""
        self._seen, self._since = max(at, self.seen), self._steady()

    def hear(self, at: int) -> None:
        """What the server says the time is: that counts, also when it is earlier than what was seen here."""
        lower = at < self.seen - SLACK_MS or self._kept is not None
        self._seen, self._since, self._kept = at, self._steady(), None
        if lower:
            self._keep(at)

    def check(self) -> None:
        """Raise NotAvailable ("clock_moved_back") when the machine's clock is more than ten minutes behind."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self.see(kept())
        if self._wall() < self.seen - SLACK_MS:
            raise NotAvailable(
                "The clock of this machine has been moved back, so credits that were taken along cannot be used.",
                reason="clock_moved_back",
                hint="Set the clock right, or connect to the internet once.",
            )
