"""For tests: starts the imitation of Stripe as a process, and plays the buyer, the bank and the bad network."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

API_KEY = "sk_test_stripesim"
SECRET = "whsec_stripesim"
_ROOT = Path(__file__).parents[2]


class Control:
    """The controls of a running imitation at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = httpx.Client(base_url=address, timeout=30, trust_env=False)

    def webhook(self, **changes: Any) -> None:
        """Where events go and what goes wrong on the way: the members of hooks.Endpoint."""
        self._post("/_sim/webhook", changes)

    def fault(self, match: str, kind: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Let the next API requests fail: app.Fault."""
        self._post("/_sim/faults", {"match": match, "kind": kind, "times": times, "seconds": seconds})

    def pay(self, session: str, how: str = "card") -> dict[str, Any]:
        """The buyer pays: "card", "bank" or "decline"."""
        return self._post(f"/_sim/pay/{session}", {"how": how})

    def settle(self, session: str, *, well: bool) -> dict[str, Any]:
        """The bank's answer to a payment by "bank"."""
        return self._post(f"/_sim/settle/{session}", {"well": well})

    def expire(self, session: str) -> dict[str, Any]:
        """The check-out page ends."""
        return self._post(f"/_sim/expire/{session}", {})

    def change_session(self, session: str, **members: Any) -> dict[str, Any]:
        """Overwrite members of a session."""
        return self._post(f"/_sim/change-session/{session}", members)

    def refund(self, intent: str, **asked: Any) -> dict[str, Any]:
        """The seller refunds in the dashboard; `amount` for a part, `status` "pending" for slow money."""
        return self._post(f"/_sim/refund/{intent}", asked)

    def change_refund(self, refund: str, status: str) -> dict[str, Any]:
        """ "succeeded", "failed" or "canceled"."""
        return self._post(f"/_sim/change-refund/{refund}", {"status": status})

    def dispute(self, intent: str, *, inquiry: bool = False) -> dict[str, Any]:
        """The buyer's bank takes the money back, or only asks."""
        return self._post(f"/_sim/dispute/{intent}", {"inquiry": inquiry})

    def close_dispute(self, dispute: str, status: str) -> dict[str, Any]:
        """ "won", "lost" or "warning_closed"."""
        return self._post(f"/_sim/close-dispute/{dispute}", {"status": status})

    def resend(self, event: str) -> None:
        """Send an event once more."""
        self._post(f"/_sim/resend/{event}", {})

    def flush(self, *, order: str = "asis", dropped: bool = False) -> int:
        """Send what is held or dropped: "asis", "reverse" or "shuffle"."""
        return int(self._post("/_sim/flush", {"order": order, "dropped": dropped})["sent"])

    def deliveries(self) -> list[dict[str, Any]]:
        """Every attempt to send an event: event, type, fault, attempt, status, seconds."""
        return self._get("/_sim/deliveries")

    def requests(self) -> list[str]:
        """Every API request, as "METHOD /path"."""
        return self._get("/_sim/requests")

    def reset(self) -> None:
        """Forget all objects, keys, faults and deliveries; events go nowhere until `webhook`."""
        self._post("/_sim/reset", {})

    def quiet(self, *, timeout: float = 60.0) -> None:
        """Wait until nothing is being sent any more."""
        end = time.monotonic() + timeout
        while self._get("/_sim/ready")["queued"]:
            if time.monotonic() > end:
                raise TimeoutError("Events are still being sent.")
            time.sleep(0.02)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _get(self, path: str) -> Any:
        answer = self._http.get(path)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(*, webhook_url: str = "", secrets: tuple[str, ...] = (SECRET,)) -> Iterator[Control]:
    """A fresh imitation as a process of its own, ended at the end of the block."""
    command = [sys.executable, "-m", "tests.stripesim", "--port", "0", "--webhook-url", webhook_url]
    for secret in secrets:
        command += ["--webhook-secret", secret]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError("The imitation of Stripe did not start.")
        control = Control(address)
        _wait(control)
        yield control
        control.close()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait(control: Control) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{control.address}/_sim/ready", trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
