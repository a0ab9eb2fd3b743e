"""What a source has: the wanted files with sizes and hashes, from the pins, from an earlier record, or from the hub."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from outfitswap_desktop.errors import KnownError, NotAvailable
from outfitswap_desktop.weights.catalogue import Weights
from outfitswap_desktop.weights.names import choose, is_safe
from outfitswap_desktop.weights.network import Cancel, Network, host_of, is_private_road, unreachable
from outfitswap_desktop.weights.record import read_json, write_json

Answer = TypeVar("Answer")
KNOWN: Final = "known.json"
HUB_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to have: `sha256`, or for small files of the hub `blob` (git's SHA-1); both None where nobody says."""

    path: str
    size: int | None
    sha256: str | None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The wanted files of one revision ("" for plain addresses). `basis`: "pinned", "recorded", "hub" or "unknown"."""

    id: str
    revision: str
    files: tuple[Wanted, ...]
    basis: str

    @property
    def size(self) -> int | None:
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def listing(weights: Weights, store: Path, network: Network, *, cancel: Cancel | None = None) -> Listing:
    """What is wanted. Asks the hub only for weights that are neither pinned nor recorded.

    Raises NotAvailable: "offline", "no_network", "source_changed", "gated", "hub_refused".
    """
    known = known_listing(weights, store)
    if known is not None:
        return known
    if weights.repository is None:
        files = tuple(Wanted(file.path, file.size, file.sha256) for file in weights.files)
        return Listing(weights.id, "", files, "unknown")
    return ask_hub(weights, network, cancel=cancel)


def known_listing(weights: Weights, store: Path) -> Listing | None:
    """What is known without a network: pins first, else what the hub said at the first download."""
    if weights.pinned:
        files = tuple(Wanted(file.path, file.size, file.sha256) for file in weights.files)
        return Listing(weights.id, weights.revision or "", files, "pinned")
    return recorded(weights, store)


def recorded(weights: Weights, store: Path) -> Listing | None:
    """What the hub said at the first download, kept after weights are removed; None when there was none."""
    said = read_json(store / KNOWN).get(weights.id)
    if not isinstance(said, dict) or said.get("source") != weights.source:
        return None
    return from_values(weights.id, said, basis="recorded")


def record(found: Listing, weights: Weights, store: Path, hashes: Mapping[str, tuple[int, str]]) -> None:
    """Keep what the hub said and was then found right: path -> (bytes, SHA-256)."""
    everything = read_json(store / KNOWN)
    files = {path: {"size": size, "sha256": digest} for path, (size, digest) in sorted(hashes.items())}
    everything[weights.id] = {"source": weights.source, "revision": found.revision, "files": files}
    write_json(store / KNOWN, everything)


def to_values(found: Listing) -> dict[str, Any]:
    """A listing as JSON, for the folder of an unfinished download."""
    files = {file.path: {"size": file.size, "sha256": file.sha256, "blob": file.blob} for file in found.files}
    return {"id": found.id, "revision": found.revision, "basis": found.basis, "files": files}


def from_values(weights_id: str, values: Mapping[str, Any], *, basis: str = "") -> Listing | None:
    """The listing that `to_values` made; None when it is damaged or about other weights."""
    try:
        if values.get("id", weights_id) != weights_id or not values["files"]:
            return None
        files = tuple(
            Wanted(
                str(path),
                None if said["size"] is None else int(said["size"]),
                said.get("sha256"),
                said.get("blob"),
            )
            for path, said in values["files"].items()
        )
        if not all(is_safe(file.path) for file in files):
            return None
        return Listing(weights_id, str(values["revision"]), files, basis or str(values["basis"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def addresses(weights: Weights, found: Listing, file: Wanted, network: Network) -> tuple[str, ...]:
    """Where a file can be had, in the order in which it is tried."""
    if weights.repository is None:
        return (weights.source, *weights.also)
    place = f"{weights.repository}/resolve/{quote(found.revision, safe='')}/{quote(file.path)}"
    return tuple(f"{endpoint}/{place}" for endpoint in network.endpoints)


def ask_hub(
    weights: Weights, network: Network, *, revision: str | None = None, cancel: Cancel | None = None
) -> Listing:
    """Ask the hub itself for the files of a revision (default: the newest). A mirror's word is not taken for hashes."""
    assert weights.repository is not None
    network.refuse_offline()
    if not is_private_road(network.hub):
        raise NotAvailable(
            f"{network.hub} is not reached over https, so its word about hashes cannot be trusted.",
            reason="hub_refused",
            hint="Set HF_ENDPOINT to an https address.",
        )
    repository, wished = weights.repository, weights.revision if revision is None else revision
    commit, siblings = _stoppable(lambda: _ask(repository, wished, network), cancel)
    patterns = weights.patterns or tuple(file.path for file in weights.files)
    wanted, unmet = choose(tuple(siblings), patterns)
    unsafe = [path for path in wanted if not is_safe(path)]
    if unmet or unsafe or not commit:
        what = f"has no {unmet[0]}" if unmet else "names files outside of its folder" if unsafe else "names no commit"
        raise NotAvailable(
            f"The repository {weights.repository} {what}.",
            reason="source_changed",
            hint="It has changed since this release; look for a newer one.",
        )
    return Listing(weights.id, commit, tuple(siblings[path] for path in wanted), "hub")


def _stoppable(work: Callable[[], Answer], cancel: Cancel | None) -> Answer:
    """The answer of `work`. A cancel is heeded at once: the hub's client cannot be stopped, so it is left to its own end."""
    if cancel is None:
        return work()
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as problem:  # noqa: BLE001  it is raised where the answer is waited for
            answer.set_exception(problem)

    threading.Thread(target=run, name="weights-hub", daemon=True).start()
    while not answer.done():
        cancel.check()
        wait((answer,), timeout=LOOK_SECONDS)
    return answer.result()


def _ask(repository: str, revision: str | None, network: Network) -> tuple[str, dict[str, Wanted]]:
    """Commit and files of a repository, through the hub's own client."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = (
        "1"  # else every request names what runs here, after asking for a list of names
    )
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    from outfitswap_desktop import __version__

    api = HfApi(endpoint=network.hub, library_name="outfitswap-desktop", library_version=__version__, token=False)
    host = host_of(network.hub)
    try:
        with _through(network):
            info = api.model_info(repository, revision=revision, files_metadata=True, timeout=HUB_SECONDS)
    except OfflineModeIsEnabled as problem:
        raise NotAvailable(
            "The environment variable HF_HUB_OFFLINE forbids asking the hub.",
            reason="offline",
            hint="Unset it, or import the files from a disk.",
        ) from problem
    except HfHubHTTPError as problem:
        raise _refused(repository, host, problem) from problem
    except KnownError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        if isinstance(problem, OSError):
            raise unreachable(host, _reason(problem)) from problem
        raise NotAvailable(
            f"What {host} answered about {repository} cannot be read.",
            reason="hub_refused",
            hint="Something between here and the hub may have answered in its place; try again later.",
        ) from problem
    except Exception as problem:
        raise unreachable(host, _reason(problem)) from problem
    files = {
        sibling.rfilename: Wanted(
            sibling.rfilename,
            sibling.size,
            sibling.lfs.sha256 if sibling.lfs is not None else None,
            None if sibling.lfs is not None else sibling.blob_id,
        )
        for sibling in info.siblings or ()
    }
    return info.sha or "", files


class _through:
    """Within, the hub's client goes through the proxy that the user has set; it knows no other way than the environment."""

    def __init__(self, network: Network) -> None:
        self._proxy = network.proxy
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        if self._proxy:
            for name in ("HTTPS_PROXY", "HTTP_PROXY"):
                self._before[name] = os.environ.get(name)
                os.environ[name] = self._proxy
            _forget_connections()

    def __exit__(self, *_why: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _forget_connections()


def _forget_connections() -> None:
    from huggingface_hub import close_session

    close_session()


def _refused(repository: str, host: str, problem: Any) -> NotAvailable:
    status = getattr(problem.response, "status_code", 0)
    if status in (401, 403):
        return NotAvailable(
            f"{host} does not hand out {repository} without an account.",
            reason="gated",
            hint="Get the files yourself and use `outfitswap models import`.",
        )
    if status == 404:
        return NotAvailable(
            f"{host} has no {repository}, or not that revision of it.",
            reason="source_changed",
            hint="It may have been moved; look for a newer release.",
        )
    return unreachable(host, f"it answered with status {status}")


def _reason(problem: BaseException) -> str:
    """The first line of what a library says, without its numbers, as the end of a sentence."""
    lines = str(problem).strip().splitlines()
    said = re.sub(r"\[Errno -?\d+\] ", "", lines[0]).rstrip(".")[:120] if lines else ""
    return said or "no connection"


def index_names(text: str) -> tuple[str, ...]:
    """The files that an index (``*.index.json``) sends a loader to. Raises ValueError when it is none."""
    said = json.loads(text)
    names = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ValueError("no index of weights")
    return tuple(dict.fromkeys(names.values()))
