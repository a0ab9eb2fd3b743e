"""How often something may be asked: moving windows, counted in memory or, for several processes, in Redis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import structlog
from limits import parse_many
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

RULES: Final[Mapping[str, str]] = {
    "login": "5/minute",
    "login_account": "20/hour",
    "register": "5/hour",
    "register_address": "3/hour",
    "forgot": "5/hour",
    "forgot_address": "3/hour",
    "mail_token": "20/hour",
    "token": "30/minute",
    "device_code": "10/minute",
    "user_code": "10/10 minutes",
    "licence": "10/minute;50/day",
    "oauth": "20/minute",
    "export": "5/hour",
    "account": "60/minute",
    "reserve": "50/second;200/10 seconds",
    "order": "60/hour",
}
"""By name, what is allowed: an address of the network, an account or a device each have a count of their own."""


class Limiter:
    """Thread-safe. While Redis cannot be reached, this process counts by itself."""

    def __init__(self, redis_url: str, *, on: bool) -> None:
        self.on = on
        self._rules = {name: parse_many(rule) for name, rule in RULES.items()}
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = MovingWindowRateLimiter(_redis(redis_url)) if redis_url else None

    def hit(self, rule: str, who: str) -> int | None:
        """Count one try of `who`; None when it is allowed, else the seconds after which it would be."""
        if not self.on:
            return None
        if self._shared is not None:
            try:
                return self._hit(self._shared, rule, who)
            except StorageError as problem:
                structlog.get_logger(__name__).warning("rate_limits_alone", why=type(problem.storage_error).__name__)
        return self._hit(self._own, rule, who)

    def _hit(self, limiter: MovingWindowRateLimiter, rule: str, who: str) -> int | None:
        for window in self._rules[rule]:
            if not limiter.hit(window, rule, who):
                reset, _ = limiter.get_window_stats(window, rule, who)
                return max(1, round(reset - time.time()))
        return None


def _redis(url: str) -> Storage:
    storage = storage_from_string(
        url, wrap_exceptions=True, socket_connect_timeout=0.5, socket_timeout=0.5, key_prefix="outfitswap"
    )
    assert isinstance(storage, Storage)
    return storage
