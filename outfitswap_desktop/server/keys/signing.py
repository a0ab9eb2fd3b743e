"""The keys that sign leases and access tokens: made, put to use, retired, revoked, and published in a root-signed list.

The list itself is the record: a key's purpose and state are what the newest list of the folder says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from outfitswap_desktop.licensing.wire.blobs import (
    decode,
    encode,
    fingerprint,
    new_key,
    public_key,
    public_of,
)
from outfitswap_desktop.licensing.wire.keylist import (
    KeyList,
    ListedKey,
    Purpose,
    State,
    read_key_list,
)
from outfitswap_desktop.server.keys.change import Change, KeysUnusable, higher, in_use, make_key, publish
from outfitswap_desktop.server.keys.folder import (
    LIST,
    ROOT,
    ROOT_PUBLIC,
    alone,
    read_secret,
    secret_path,
    write_secret,
    write_whole,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class _Open:
    """What one reading of the folder found."""

    stamp: tuple[int, int, int]
    keys: KeyList
    blob: str
    private: Mapping[str, Ed25519PrivateKey]


class SigningKeys:
    """The keys of a folder; thread-safe. Changes by another process are seen at the next call.

    An empty folder gets a root key, and a key in use and a next one for each purpose. `root.key` may be taken away after
    that and brought back for changes; everything else works without it.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._clock = clock
        self._guard = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / LIST).exists():
            self._found()
        self._root_public = self._read_root()
        self._open = self._read()

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def root_public(self) -> bytes:
        """The root's public key, 32 bytes: programs are built with it or pin it at their first activation."""
        return self._root_public

    def active(self, purpose: Purpose) -> tuple[str, Ed25519PrivateKey]:
        """The key to sign with now, and its kid."""
        now = self._current()
        kid = in_use(now.keys.keys, purpose).kid
        return kid, now.private[kid]

    def verifiers(self, purpose: Purpose) -> Mapping[str, Ed25519PublicKey]:
        """All keys whose signatures count now, by kid: active, next, and retired ones until their end."""
        at = self._clock()
        return {
            kid: public_key(key.public)
            for kid, key in self._current().keys.keys.items()
            if key.purpose == purpose and key.state != "revoked" and (key.not_after is None or at <= key.not_after)
        }

    def key_list(self) -> KeyList:
        """The newest list."""
        return self._current().keys

    def published(self) -> str:
        """The newest list, signed by the root."""
        return self._current().blob

    # --- changing ---------------------------------------------------------------------------------------------------

    def new(self, purpose: Purpose) -> str:
        """Make and publish a "next" key; gives its kid. Wait with `activate` until programs have fetched the list."""
        with self._changing() as change:
            return change.make(purpose, "next")

    def activate(self, kid: str) -> None:
        """Sign with a "next" key from now on; the one in use until now is retired."""
        with self._changing() as change:
            key = change.get(kid)
            if key.state != "next":
                raise KeysUnusable(f"The key {kid} is {key.state}, not next.", reason="key_not_next")
            change.activate(key)

    def retire(self, kid: str) -> None:
        """Sign no more with a key; what it has signed counts until its end. In use, it is followed by the next one."""
        with self._changing() as change:
            change.end(change.get(kid), "retired")

    def revoke(self, kid: str) -> None:
        """Have nothing count any more that a key has signed: its private half is known to others. It is deleted."""
        with self._changing() as change:
            change.end(change.get(kid), "revoked")

    def _changing(self) -> Change:
        return Change(self._folder, self._root_public, clock=self._clock, read=lambda: self._read().keys)

    def _current(self) -> _Open:
        opened = self._open
        if _stamp(self._folder) == opened.stamp:
            return opened
        with self._guard:
            self._open = self._read()
            return self._open

    def _read_root(self) -> bytes:
        try:
            return decode((self._folder / ROOT_PUBLIC).read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"The public root key {self._folder / ROOT_PUBLIC} cannot be read.",
                reason="keys_unreadable",
                hint="Bring the folder of the keys back from the backup.",
            ) from error

    def _read(self) -> _Open:
        stamp = _stamp(self._folder)
        try:
            return self._read_once()
        except KeysUnusable:
            # Another process may have put a newer list in place and taken an ended key away in between.
            if _stamp(self._folder) == stamp:
                raise
            return self._read_once()

    def _read_once(self) -> _Open:
        try:
            stamp = _stamp(self._folder)
            blob = (self._folder / LIST).read_text(encoding="ascii").strip()
            keys = read_key_list(blob, self._root_public, at_least_version=1)
            private = {
                key.kid: read_secret(secret_path(self._folder, key.kid))
                for key in keys.keys.values()
                if key.state in ("active", "next")
            }
            for kid, secret in private.items():
                if public_of(secret) != keys.keys[kid].public:
                    raise ValueError(f"{kid}.key is not the key in the list")
            for purpose in get_args(Purpose):
                in_use(keys.keys, purpose)
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"The signing keys in {self._folder} cannot be used: {error}",
                reason="keys_unreadable",
                hint="Bring the folder of the keys back from the backup.",
            ) from error
        return _Open(stamp, keys, blob, private)

    def _found(self) -> None:
        """Make root key and first keys, unless another process was quicker."""
        with alone(self._folder):
            if (self._folder / LIST).exists():
                return
            if (self._folder / ROOT_PUBLIC).exists() and not (self._folder / ROOT).exists():
                raise KeysUnusable(
                    f"{self._folder} has lost its list of keys.",
                    reason="keys_unreadable",
                    hint="Bring the folder of the keys back from the backup.",
                )
            if not (self._folder / ROOT).exists():
                write_secret(self._folder / ROOT, new_key())
            root = read_secret(self._folder / ROOT)
            write_whole(self._folder / ROOT_PUBLIC, f"{encode(public_of(root))}\n".encode(), secret=False)
            keys: dict[str, ListedKey] = {}
            states: tuple[State, ...] = ("active", "next")
            for purpose in get_args(Purpose):
                for state in states:
                    make_key(self._folder, keys, purpose, state=state, now=self._clock())
            publish(self._folder, keys, root, version=higher(0, self._clock()), now=self._clock())


def root_shown(keys: SigningKeys) -> str:
    """The root key's fingerprint as people compare it."""
    return fingerprint(keys.root_public)


def _stamp(folder: Path) -> tuple[int, int, int]:
    try:
        state = (folder / LIST).stat()
    except OSError:
        return 0, 0, 0
    return state.st_mtime_ns, state.st_ino, state.st_size
