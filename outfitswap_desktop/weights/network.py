"""How this user reaches the network: offline or not, mirrors, a proxy; and what is said when nothing answers.

Kept beside the weights, because it is about nothing else. Without an entry here the environment counts (HF_ENDPOINT,
HTTPS_PROXY, NO_PROXY ...), as the libraries have it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.weights.record import read_json, write_json

if TYPE_CHECKING:
    import httpx

FILE: Final = "network.json"
HUB: Final = "https://huggingface.co"
ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Cancel(Protocol):
    """What core.job.CancelToken offers."""

    def is_set(self) -> bool: ...
    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Network:
    """`offline` forbids every request; `mirrors` are the hub's copies, tried after it; `proxy` "" = environment."""

    offline: bool = False
    mirrors: tuple[str, ...] = ()
    proxy: str = ""

    @property
    def hub(self) -> str:
        """The hub itself: what HF_ENDPOINT says, else huggingface.co. Only its word counts for hashes that are not pinned."""
        return os.environ.get(ENDPOINT_VARIABLE, "").strip().rstrip("/") or HUB

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The hub and its mirrors, in the order in which they are tried."""
        return tuple(dict.fromkeys((self.hub, *self.mirrors)))

    def refuse_offline(self) -> None:
        """Raise NotAvailable ("offline") when the user wants no requests."""
        if self.offline:
            raise NotAvailable(
                "Offline mode is on, so nothing is downloaded.",
                reason="offline",
                hint="Switch it off with `outfitswap models network --online`, or import the files from a disk.",
            )


def read_network(store: Path) -> Network:
    """What the user has set; defaults for what is missing or unusable."""
    said = read_json(store / FILE)
    mirrors = said.get("mirrors")
    found = Network(offline=said.get("offline") is True)
    if isinstance(mirrors, list):
        found = replace(found, mirrors=tuple(str(each) for each in mirrors if _is_web(str(each))))
    proxy = said.get("proxy")
    return replace(found, proxy=proxy) if isinstance(proxy, str) and _is_proxy(proxy) else found


def write_network(store: Path, network: Network) -> None:
    """Keep what the user has set. Raises UsageProblem ("bad_address") for what is no web address."""
    for mirror in network.mirrors:
        if not _is_web(mirror):
            raise _bad_address(mirror)
    if network.proxy and not _is_proxy(network.proxy):
        raise _bad_address(network.proxy)
    store.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "offline": network.offline,
        "mirrors": [mirror.rstrip("/") for mirror in network.mirrors],
        "proxy": network.proxy,
    }
    write_json(store / FILE, document)


def _bad_address(text: str) -> UsageProblem:
    return UsageProblem(
        f"{text[:80]!r} is not a web address.", reason="bad_address", hint="Write it like https://mirror.example."
    )


def _is_web(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_proxy(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("https", "http", "socks5", "socks5h") and bool(parts.hostname)
    except ValueError:
        return False


def is_private_road(address: str) -> bool:
    """Whether nobody on the way can change what an address says: https, or this machine itself."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK


def make_client(network: Network, *, timeout: float) -> httpx.Client:
    """A client for downloads: follows redirects, proxies as set or as the environment says, `timeout` in seconds."""
    import httpx

    from outfitswap_desktop import __version__

    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(timeout, connect=min(timeout, 15.0)),
        proxy=network.proxy or None,
        headers={"User-Agent": f"outfitswap-desktop/{__version__}", "Accept-Encoding": "identity"},
    )


def unreachable(what: str, why: str) -> NotAvailable:
    """The sentence for a source that does not answer."""
    return NotAvailable(
        f"{what} could not be reached: {why}.",
        reason="no_network",
        hint="Check the connection, the proxy and the mirrors, then start again: what came so far is kept.",
    )


def host_of(address: str) -> str:
    """The name of the server in an address, for sentences."""
    return urlsplit(address).hostname or address
