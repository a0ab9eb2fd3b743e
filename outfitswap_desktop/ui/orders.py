"""From what the window holds to jobs for the queue: requests with their names, seeds and masks, frozen at that moment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.names import safe_stem, slug

if TYPE_CHECKING:
    from outfitswap_desktop.core.arrays import Mask
    from outfitswap_desktop.ui.session import Session

INSIDE: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """One job to be: its request, and what has no file: a pasted photo, mask and person's outline (H, W) 0/255."""

    request: SwapRequest
    photo: bytes | None = None
    mask: Mask | None = None
    outline: Mask | None = None


def orders(
    session: Session,
    prompt: str,
    *,
    folder: Path,
    suffix: str,
    quality: int,
    keep_metadata: bool,
    reserved: Collection[Path] = (),
) -> list[Order]:
    """The jobs of one click: one for each variation, seeds counting up. Raises ValueError when no photo is open.

    For a diffusion engine each names the seeds of all, so that they are painted in one batch. `reserved` are files that
    jobs before them will still write.
    """
    import numpy as np

    if session.source is None or session.mask is None:
        raise ValueError("no photo is open")
    outfit = session.outfit
    mask = None
    if session.drawn:
        mask = np.where(session.mask.effective() >= INSIDE, np.uint8(255), np.uint8(0))
    pasted = session.source if isinstance(session.source, bytes) else None
    stem = safe_stem(session.source.stem) if isinstance(session.source, Path) else "pasted"
    words = slug(prompt) if prompt.strip() else slug(outfit.garment.stem if outfit.garment is not None else "outfit")
    taken = set(reserved)
    wishes = outfit.wishes
    made = []
    for seed in outfit.seeds:
        output = _free(folder, f"{stem}-{words}", suffix, taken)
        taken.add(output)
        made.append(
            Order(
                SwapRequest(
                    photo=session.source if isinstance(session.source, Path) else Path("pasted.png"),
                    output=output,
                    prompt=prompt,
                    garment=outfit.garment,
                    zone=session.zone,
                    person=session.person,
                    engine=outfit.engine,
                    seed=seed,
                    steps=outfit.asked_steps,
                    quality=quality,
                    keep_metadata=keep_metadata,
                    consent=session.consent,
                    adult_attested=session.adult_attested,
                    wishes=wishes,
                ),
                pasted,
                mask,
                session.outline,
            )
        )
    return made


def _free(folder: Path, stem: str, suffix: str, taken: set[Path]) -> Path:
    """A name that no file has and no other job of this click: a number is added to the second and later ones."""
    number = 1
    while True:
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        if path not in taken and not path.exists():
            return path
        number += 1
