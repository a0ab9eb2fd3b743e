"""The FLOP ledger: what a job costs on a crop in a bucket, and what the same job costs on the whole photo."""

from __future__ import annotations

from dataclasses import dataclass

from outfitswap_desktop.ml.budget.passes import Rehearsal, Size, Step


@dataclass(frozen=True, slots=True)
class JobFlops:
    """FLOPs (a multiply-add is two) of one picture: all text, both encodes, `step` of them `steps` times, one decode."""

    size: Size
    text: int
    encode: int
    step: int
    steps: int
    decode: int

    @property
    def total(self) -> int:
        """The whole job."""
        return self.text + self.encode + self.steps * self.step + self.decode


def job_flops(rehearsal: Rehearsal, size: Size, *, steps: int, guided: bool = True) -> JobFlops:
    """One picture of the engines sd15 or sdxl in the bucket `size` with `steps` steps, our own denoising loop.

    Picture and masked picture are encoded, as plain diffusers does; our caches are left out of account.
    """
    rows = 2 if guided else 1
    return JobFlops(
        size,
        rehearsal.measure(lambda: rehearsal.text(rows))[1],
        2 * rehearsal.measure(lambda: rehearsal.encode(size))[1],
        rehearsal.measure(lambda: rehearsal.step(Step(size, rows)))[1],
        steps,
        rehearsal.measure(lambda: rehearsal.decode(size))[1],
    )


def whole_photo_flops(rehearsal: Rehearsal, photo: Size, *, steps: int) -> JobFlops:
    """The same job the way of editors that inpaint the whole photo: padded to multiples of 8, diffusers' forward, guided.

    So does IOPaint without its cropper: https://github.com/Sanster/IOPaint (iopaint/model/base.py, pad_mod 8).
    """
    size = padded(photo)
    return JobFlops(
        size,
        rehearsal.measure(lambda: rehearsal.text(2))[1],
        2 * rehearsal.measure(lambda: rehearsal.encode(size))[1],
        rehearsal.measure(lambda: rehearsal.plain_step(size, 2))[1],
        steps,
        rehearsal.measure(lambda: rehearsal.decode(size))[1],
    )


def padded(photo: Size) -> Size:
    """`photo` (width, height) with both sides rounded up to multiples of 8."""
    return -(-photo[0] // 8) * 8, -(-photo[1] // 8) * 8
