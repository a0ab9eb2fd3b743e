"""The exception tree: what is the world's fault is told to the user in one sentence, everything else is our bug.

OutfitSwapError
├── KnownError            the world's fault; carries kind, reason, message, hint and an exit code
│   ├── UsageProblem      2  the request contradicts itself
│   ├── InputRefused      3  the photo, mask, garment or prompt cannot be used
│   │   ├── PhotoUnreadable   not a picture we accept, damaged, too large
│   │   ├── NobodyFound       no person, or no such zone, was found
│   │   └── GateRefused       a safety gate said no
│   ├── NotAvailable      4  disk, weights, device, licence
│   └── BatchIncomplete   5  some jobs of a batch failed
└── Cancelled             130  the user's wish, never shown as an error
"""

from __future__ import annotations

from typing import ClassVar

EXIT_DONE = 0
EXIT_BUG = 70


class OutfitSwapError(Exception):
    """Root of everything this program raises on purpose."""


class KnownError(OutfitSwapError):
    """The world's fault: one sentence for the user and the way out.

    `reason` is a stable machine word (``"too_large"``), `message` one sentence, `hint` what to do next.
    """

    kind: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.reason, self.hint)


def _rebuild(cls: type[KnownError], message: str, reason: str, hint: str) -> KnownError:
    return cls(message, reason=reason, hint=hint)


class UsageProblem(KnownError):
    """The request contradicts itself; nothing was started."""

    kind = "usage"
    exit_code = 2


class InputRefused(KnownError):
    """What was handed in cannot be used; nothing was written."""

    kind = "input_refused"
    exit_code = 3


class PhotoUnreadable(InputRefused):
    """A file that is not a picture we accept, is damaged, or is outside the limits."""


class NobodyFound(InputRefused):
    """No person, not that many persons, or no such garment zone was found."""


class GateRefused(InputRefused):
    """A safety gate refused, or could not judge (gates fail closed)."""


class NotAvailable(KnownError):
    """Something this machine does not have: disk space, weights, a device, a licence."""

    kind = "not_available"
    exit_code = 4


class BatchIncomplete(KnownError):
    """Some jobs of a batch failed; the others are done and saved."""

    kind = "batch_incomplete"
    exit_code = 5


class Cancelled(OutfitSwapError):
    """Raised at the next safe point after a cancel; not an error."""

    exit_code: ClassVar[int] = 130
