"""Sends signed events to the webhook endpoint as Stripe does (at least once, in no order), with the faults asked for."""

from __future__ import annotations

import contextlib
import heapq
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from stripe import WebhookSignature


@dataclass
class Endpoint:
    """Where events go, and what goes wrong on the way. Probabilities are 0 to 1, times are seconds."""

    url: str = ""
    secrets: list[str] = field(default_factory=lambda: ["whsec_stripesim"])
    """Two while a secret is being changed: both sign."""
    events: list[str] = field(default_factory=lambda: ["*"])
    seed: int = 1
    drop: float = 0.0
    """Never sent, nor sent again, by itself; `flush` with `dropped` does."""
    duplicate: int = 0
    """Sent up to so many times more, by chance."""
    delay: float = 0.0
    """Waits up to so long, by chance: this is also what changes the order."""
    hold: bool = False
    """Nothing leaves before `flush`."""
    retries: list[float] = field(default_factory=lambda: [0.2, 0.5, 1.0, 2.0, 4.0])
    """After an answer other than 2xx."""
    stale: float = 0.0
    """How old the signature's time is."""
    wrong_secret: float = 0.0
    """Chance that one more copy goes out, signed by somebody else."""
    truncated: float = 0.0
    """Chance that one more copy goes out with its end cut off."""
    tampered: float = 0.0
    """Chance that one more copy goes out with another amount under the old signature."""
    wrong_mode: float = 0.0
    """Chance that one more copy goes out, well signed, of the other mode and with another event id."""
    timeout: float = 30.0


class Sender:
    """Sends from a few threads; keeps a record of every attempt."""

    def __init__(self, endpoint: Endpoint, *, threads: int = 4) -> None:
        self.endpoint = endpoint
        self.first_secrets = list(endpoint.secrets)
        self.deliveries: list[dict[str, Any]] = []
        self._chance = random.Random(endpoint.seed)
        self._held: list[dict[str, Any]] = []
        self._dropped: list[dict[str, Any]] = []
        self._queue: list[tuple[float, int, dict[str, Any], str, int]] = []
        self._count = 0
        self._busy = 0
        self._ready = threading.Condition()
        self._client = httpx.Client(timeout=endpoint.timeout, trust_env=False)
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def configure(self, changes: dict[str, Any]) -> None:
        """Change the endpoint from now on; a new seed starts the chances anew."""
        with self._ready:
            for name, value in changes.items():
                if not hasattr(self.endpoint, name):
                    raise ValueError(f"The endpoint has no {name}.")
                setattr(self.endpoint, name, value)
            if "seed" in changes:
                self._chance = random.Random(self.endpoint.seed)

    def reset(self) -> None:
        """Back to sending nowhere, with nothing waiting and nothing recorded."""
        with self._ready:
            self.endpoint = Endpoint(secrets=self.first_secrets)
            self._chance = random.Random(self.endpoint.seed)
            for waiting in (self._held, self._dropped, self._queue, self.deliveries):
                waiting.clear()

    def send(self, event: dict[str, Any]) -> None:
        """Let an event leave, or not."""
        with self._ready:
            end = self.endpoint
            if not end.url or not ("*" in end.events or event["type"] in end.events):
                return
            if end.hold:
                self._held.append(event)
                return
            if self._chance.random() < end.drop:
                self._dropped.append(event)
                return
            copies = 1 + (self._chance.randint(0, end.duplicate) if end.duplicate else 0)
            for _ in range(copies):
                self._push(self._chance.random() * end.delay, event, "genuine", 0)
            for fault in ("wrong_secret", "truncated", "tampered", "wrong_mode"):
                if self._chance.random() < getattr(end, fault):
                    self._push(self._chance.random() * end.delay, event, fault, 0)
            self._ready.notify_all()

    def flush(self, *, order: str = "asis", dropped: bool = False) -> int:
        """Send what is held (and what was dropped): "asis", "reverse" or "shuffle". Returns how many events."""
        with self._ready:
            waiting, self._held = self._held, []
            if dropped:
                waiting, self._dropped = waiting + self._dropped, []
            if order == "reverse":
                waiting.reverse()
            elif order == "shuffle":
                self._chance.shuffle(waiting)
            for place, event in enumerate(waiting):
                self._push(place * 1e-6, event, "genuine", 0)
            self._ready.notify_all()
            return len(waiting)

    def waiting(self) -> dict[str, int]:
        """How many sendings are due or under way, and how many events are held or dropped."""
        with self._ready:
            return {
                "queued": len(self._queue) + self._busy,
                "held": len(self._held),
                "dropped": len(self._dropped),
            }

    def _push(self, delay: float, event: dict[str, Any], fault: str, attempt: int) -> None:
        self._count += 1
        heapq.heappush(self._queue, (time.monotonic() + delay, self._count, event, fault, attempt))

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._queue or self._queue[0][0] > time.monotonic():
                    self._ready.wait(None if not self._queue else max(0.0, self._queue[0][0] - time.monotonic()))
                _, _, event, fault, attempt = heapq.heappop(self._queue)
                self._busy += 1
            status = self._post(event, fault, attempt)
            with self._ready:
                self._busy -= 1
                genuine = fault == "genuine"
                if genuine and not 200 <= status < 300 and attempt < len(self.endpoint.retries):
                    self._push(self.endpoint.retries[attempt], event, fault, attempt + 1)
                    self._ready.notify_all()

    def _post(self, event: dict[str, Any], fault: str, attempt: int) -> int:
        body, signature = self._sign(event, fault)
        status = 0
        began = time.monotonic()
        with contextlib.suppress(httpx.HTTPError):
            status = self._client.post(
                self.endpoint.url,
                content=body,
                headers={"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature},
            ).status_code
        self.deliveries.append(
            {
                "event": event["id"],
                "type": event["type"],
                "fault": fault,
                "attempt": attempt,
                "status": status,
                "seconds": time.monotonic() - began,
            }
        )
        return status

    def _sign(self, event: dict[str, Any], fault: str) -> tuple[bytes, str]:
        secrets = ["whsec_somebody_else"] if fault == "wrong_secret" else self.endpoint.secrets
        if fault == "wrong_mode":
            event = {**event, "livemode": not event["livemode"], "id": f"{event['id']}x"}
        text = json.dumps(event, indent=2)
        at = int(time.time() - self.endpoint.stale)
        headers = [WebhookSignature.generate_signature_header(text, secret, at) for secret in secrets]
        signature = ",".join([headers[0], *(header.partition(",")[2] for header in headers[1:])])
        if fault == "truncated":
            text = text[: len(text) * 2 // 3]
        elif fault == "tampered":
            text = text.replace('"amount_total": ', '"amount_total": 9').replace(event["id"], f"{event['id']}t")
        return text.encode(), signature
