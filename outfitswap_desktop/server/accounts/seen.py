"""Sessions that were looked up a moment ago, so that a busy program does not cost a query for each request."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account, through one of its sessions, from a device when a program signed in on one."""

    account_id: str
    session_id: str
    device_id: str | None
    kind: Literal["program", "site"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A token that was found good: until when it is, when the database was asked, and how the account stood."""

    token: str
    caller: Caller
    expires_at: int
    asked_at: int
    frozen: bool


class SeenSessions:
    """Thread-safe; holds at most `limit` sessions and believes each for `TRUST_MS`.

    Revoking a session in this process ends it at once, in another process after `TRUST_MS`.
    """

    TRUST_MS: Final = 5_000
    _SETTLE: Final = 10.0

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._tokens: dict[str, str] = {}
        self._unsettled: dict[str, float] = {}

    def find(self, token: str, *, now: int) -> Seen | None:
        """What is known of `token` (its digest), if that is recent."""
        with self._lock:
            session = self._tokens.get(token)
            found = self._seen.get(session) if session else None
            if found is None or found.token != token:
                return None
            if not (found.asked_at <= now < found.asked_at + self.TRUST_MS and now < found.expires_at):
                return None
            return found

    def keep(self, seen: Seen) -> None:
        """Remember it, unless its session is being revoked just now."""
        session = seen.caller.session_id
        with self._lock:
            if self._unsettled.get(session, 0.0) > time.monotonic():
                return
            self._drop(session)
            self._seen[session] = seen
            self._tokens[seen.token] = session
            while len(self._seen) > self._limit:
                self._drop(next(iter(self._seen)))

    def forget(self, session_id: str) -> None:
        """Ask the database again; for a while without remembering, as the transaction that revokes is still open."""
        with self._lock:
            self._drop(session_id)
            now = time.monotonic()
            self._unsettled = {each: until for each, until in self._unsettled.items() if until > now}
            self._unsettled[session_id] = now + self._SETTLE

    def _drop(self, session_id: str) -> None:
        old = self._seen.pop(session_id, None)
        if old is not None:
            self._tokens.pop(old.token, None)
