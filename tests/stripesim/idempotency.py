"""Idempotency keys as https://docs.stripe.com/api/idempotent_requests describes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.stripesim.trouble import Trouble

Answer = tuple[int, dict[str, Any]]


@dataclass
class _Record:
    what: tuple[str, str, str]
    answer: Answer | None = None


class Keys:
    """The first answer to a key is kept, with its status, 500 included, once the work had begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}

    def once(self, key: str, what: tuple[str, str, str], work: Callable[[], Answer]) -> tuple[Answer, bool]:
        """The answer, and whether it is a kept one. `what` is method, path and body; another body refuses the key."""
        if len(key) > 255:
            raise Trouble(400, "Idempotency keys can be at most 255 characters.", kind="idempotency_error")
        with self._lock:
            record = self._records.get(key)
            if record is not None:
                if record.what != what:
                    raise Trouble(
                        400,
                        "Keys for idempotent requests can only be used with the same parameters they were first used "
                        f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                        kind="idempotency_error",
                    )
                if record.answer is None:
                    raise Trouble(
                        409,
                        "There is currently another in-progress request using this Idempotent Key.",
                        kind="idempotency_error",
                        code="idempotency_key_in_use",
                    )
                return record.answer, True
            record = self._records[key] = _Record(what)
        try:
            record.answer = work()
        except Trouble as trouble:
            if not trouble.started:
                self._forget(key)
                raise
            record.answer = (trouble.status, trouble.document())
        except BaseException:
            self._forget(key)
            raise
        return record.answer, False

    def _forget(self, key: str) -> None:
        with self._lock:
            self._records.pop(key, None)
