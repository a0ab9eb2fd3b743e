"""One change of the keys: read under the folder's lock, made in memory, published as a root-signed list of a higher version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.errors import KnownError
from outfitswap_desktop.licensing.wire.blobs import BlobError, new_key, public_of
from outfitswap_desktop.licensing.wire.keylist import MOST_KEYS, KeyList, ListedKey, Purpose, State, sign_key_list
from outfitswap_desktop.server.keys.folder import (
    LIST,
    ROOT,
    alone,
    read_secret,
    secret_path,
    write_secret,
    write_whole,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DAY_MS: Final = 86_400_000
OVERLAP_MS: Final[Mapping[str, int]] = {"lease": 62 * DAY_MS, "token": DAY_MS}
"""How long what a retired key has signed is believed: the longest lease with its grace, and more than a token's life."""
REMEMBER_MS: Final = 400 * DAY_MS
"""How long a revoked key stays in the list; an unlisted one is not believed either."""


class KeysUnusable(KnownError):
    """The keys cannot be read, or a change needs the root key, which is not here."""


class Change:
    """One change of the list: read under the folder's lock, published at the end of the block unless it raised."""

    def __init__(
        self, folder: Path, root_public: bytes, *, clock: Callable[[], int], read: Callable[[], KeyList]
    ) -> None:
        self._folder = folder
        self._root_public = root_public
        self._clock = clock
        self._list = read
        self._lock = alone(folder)
        self._delete: list[str] = []

    def __enter__(self) -> Change:
        self._lock.__enter__()
        try:
            self._root = self._read_root()
            self._now = self._clock()
            self._before = self._list()
            self._keys = self._remembered(self._before.keys)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                version = higher(self._before.version, self._now)
                publish(self._folder, self._keys, self._root, version=version, now=self._now)
                for kid in self._delete:
                    secret_path(self._folder, kid).unlink(missing_ok=True)
        finally:
            self._lock.__exit__(None, None, None)

    def get(self, kid: str) -> ListedKey:
        """A key of the list; raises KeysUnusable."""
        if kid not in self._keys:
            raise KeysUnusable(f"There is no key {kid}.", reason="key_unknown", hint="List the keys first.")
        return self._keys[kid]

    def make(self, purpose: Purpose, state: State) -> str:
        """A new key."""
        return make_key(self._folder, self._keys, purpose, state=state, now=self._now)

    def activate(self, key: ListedKey) -> None:
        """Put a key to use in place of the one that is."""
        before = in_use(self._keys, key.purpose)
        self._keys[before.kid] = self._retired(before)
        self._delete.append(before.kid)
        self._keys[key.kid] = replace(key, state="active")
        if not any(one.purpose == key.purpose and one.state == "next" for one in self._keys.values()):
            self.make(key.purpose, "next")

    def end(self, key: ListedKey, state: State) -> None:
        """Retire or revoke a key; when it was the one in use, the next one follows, made on the spot if there is none."""
        if key.state in ("revoked", state):
            raise KeysUnusable(f"The key {key.kid} is {key.state} already.", reason="key_ended")
        if key.state == "active":
            following = [one for one in self._keys.values() if one.purpose == key.purpose and one.state == "next"]
            kid = min(following, key=lambda one: one.created_at).kid if following else self.make(key.purpose, "next")
            self._keys[kid] = replace(self._keys[kid], state="active")
            if len(self._keys) < MOST_KEYS:
                # A full list must not keep a lost key from being revoked.
                self.make(key.purpose, "next")
        self._keys[key.kid] = (
            self._retired(key) if state == "retired" else replace(key, state=state, not_after=self._now)
        )
        self._delete.append(key.kid)

    def _retired(self, key: ListedKey) -> ListedKey:
        return replace(key, state="retired", not_after=self._now + OVERLAP_MS[key.purpose])

    def _remembered(self, keys: Mapping[str, ListedKey]) -> dict[str, ListedKey]:
        """The keys without those that have ended long ago."""
        kept = {"retired": 0, "revoked": REMEMBER_MS}
        return {
            kid: key
            for kid, key in keys.items()
            if key.state not in kept or (key.not_after or 0) + kept[key.state] >= self._now
        }

    def _read_root(self) -> Ed25519PrivateKey:
        path = self._folder / ROOT
        try:
            root = read_secret(path)
        except (OSError, ValueError) as error:
            raise KeysUnusable(
                f"Changing keys needs the root key, which is not at {path}.",
                reason="root_missing",
                hint="Put it there, change the keys, and take it away again.",
            ) from error
        if public_of(root) != self._root_public:
            raise KeysUnusable(f"{path} is the root key of another server.", reason="root_wrong")
        return root


def make_key(folder: Path, keys: dict[str, ListedKey], purpose: Purpose, *, state: State, now: int) -> str:
    """Make a key, keep its private half in the folder and add it to `keys`; gives its kid."""
    if len(keys) >= MOST_KEYS:
        raise KeysUnusable(
            f"A list has at most {MOST_KEYS} keys.", reason="keys_full", hint="Wait until retired keys have ended."
        )
    secret = new_key()
    public = public_of(secret)
    kid = f"{purpose}-{hashlib.sha256(public).hexdigest()[:16]}"
    write_secret(secret_path(folder, kid), secret)
    keys[kid] = ListedKey(kid, purpose, public, state, now)
    return kid


def in_use(keys: Mapping[str, ListedKey], purpose: Purpose) -> ListedKey:
    """The one key of `purpose` to sign with; raises BlobError when there is not exactly one."""
    active = [key for key in keys.values() if key.purpose == purpose and key.state == "active"]
    if len(active) != 1:
        raise BlobError("malformed", f"the list names {len(active)} keys in use for {purpose}")
    return active[0]


def publish(folder: Path, keys: Mapping[str, ListedKey], root: Ed25519PrivateKey, *, version: int, now: int) -> None:
    """Put a root-signed list of `keys` in place of the one there is."""
    blob = sign_key_list(keys, root, version=version, issued_at=now)
    write_whole(folder / LIST, f"{blob}\n".encode(), secret=False)


def higher(before: int, now: int) -> int:
    """Higher than before, and no lower than the clock's seconds: so a folder from a backup never publishes a lower one."""
    return max(before + 1, now // 1000)
