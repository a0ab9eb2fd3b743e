"""The denoising loop: the net's inputs are set up once, and every step is one pass and a handful of operations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outfitswap_desktop.ml.diffusion import unet as nets
from outfitswap_desktop.ml.diffusion.conditions import Forward
from outfitswap_desktop.ml.diffusion.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.core.job import CancelToken


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """A net in one job: its layers, the constants of a guided pass (keys and values in order), and its time table.

    `table` (steps, rows, channels, 1, 1). For a ControlNet `seen` (1, channels, h, w) is its picture as the net reads it,
    `weight` a tensor without dimensions, and `steps` the steps that it acts in.
    """

    lean: nets.Lean
    keys: tuple[Tensor, ...]
    table: Tensor
    name: str = ""
    seen: Tensor | None = None
    weight: Tensor | None = None
    steps: range = range(0)


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """`scale`, and the steps that are guided (two rows an image); the others are passes of one row."""

    scale: float
    steps: range


def forward_of(lean: nets.Lean, controls: Sequence[nets.Lean], *, keys_each: int) -> Forward:
    """A pure function (x, times, *constants) -> prediction of a UNet steered by ControlNets.

    x (rows, 9, h, w); times (rows, channels of all nets, 1, 1); constants: the UNet's keys (`keys_each` an attention), then for
    every ControlNet its picture, its weight and its keys (two an attention).
    """
    widths = [width for net in (lean, *controls) for width in net.widths]
    own_keys, own_times = len(lean.attentions) * keys_each, len(lean.widths)
    followed = [(net, 2 * len(net.attentions), len(net.widths)) for net in controls]

    def forward(x: Tensor, times: Tensor, *constants: Tensor) -> Tensor:
        parts = times.split(widths, 1)
        at, keys = iter(parts), _grouped(constants, 0, own_keys, keys_each)
        middle, skips = nets.encode(lean, nets.convolve(lean.conv_in, x), at, keys)
        first, start = own_times, own_keys
        for net, count, used in followed:
            into = nets.convolve(net.conv_in, x[:, :4]).add_(constants[start])
            weight = constants[start + 1]
            theirs = _grouped(constants, start + 2, start + 2 + count, 2)
            end, made = nets.encode(net, into, iter(parts[first : first + used]), theirs)
            for skip, tap, layer in zip((*skips, middle), (*made, end), net.taps, strict=True):
                skip.addcmul_(nets.convolve(layer, tap), weight)
            first, start = first + used, start + 2 + count
        return nets.decode(lean, middle, skips, at, keys)

    return forward


def _grouped(constants: Sequence[Tensor], start: int, end: int, size: int) -> Iterator[Sequence[Tensor]]:
    for index in range(start, end, size):
        yield constants[index : index + size]


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """What the steps with the same nets and the same rows share."""

    forward: Forward
    table: Tensor
    constants: tuple[Tensor, ...]
    x: Tensor
    latents: Tensor
    """The part of `x` that the latents are written into: (halves, images, 4, h, w)."""


Wrap = Callable[[Forward, int, tuple[int, tuple[str, ...]]], Forward]
"""(forward, rows, (keys an attention, names of the ControlNets)) -> what to call instead."""


class Loop:
    """One job's denoising of `images` pictures at once.

    `known` (1 or images, 5, h, w): mask and masked-image latents. Everything is made in the constructor; `run` only steps.
    """

    def __init__(
        self,
        net: Net,
        controls: Sequence[Net],
        schedule: Schedule,
        *,
        guidance: Guidance,
        known: Tensor,
        images: int,
        wrap: Wrap,
    ) -> None:
        import torch

        self._schedule, self._guidance, self._images = schedule, guidance, images
        count, weight = len(schedule.steps), net.lean.conv_in.weight
        guided = [index in guidance.steps for index in range(count)]
        rows = 2 * images if any(guided) else images
        shape = (rows, 9, *known.shape[-2:])
        layout = torch.channels_last if weight.device.type == "cuda" else torch.contiguous_format
        self._buffer = torch.empty(shape, dtype=weight.dtype, device=weight.device, memory_format=layout)
        self._buffer[:, 4:].copy_(known.expand(images, -1, -1, -1).repeat(rows // images, 1, 1, 1))
        made: dict[Hashable, _Pass] = {}
        self._passes: list[_Pass] = []
        for index in range(count):
            active = tuple(control for control in controls if index in control.steps)
            key = (guided[index], tuple(id(control) for control in active))
            if key not in made:
                made[key] = self._pass(net, active, guided=guided[index], wrap=wrap)
            self._passes.append(made[key])

    def _pass(self, net: Net, controls: tuple[Net, ...], *, guided: bool, wrap: Wrap) -> _Pass:
        import torch

        images = self._images
        halves = 2 if guided else 1
        rows, skipped = halves * images, self._buffer.shape[0] - halves * images

        def cut(tensor: Tensor, dim: int = 0) -> Tensor:
            """The guided half alone, where a pass has no other."""
            return tensor.narrow(dim, tensor.shape[dim] - rows, rows) if tensor.shape[dim] > rows else tensor

        table = torch.cat([cut(each.table, 1) for each in (net, *controls)], dim=2)
        constants = [cut(key) for key in net.keys]
        for control in controls:
            assert control.seen is not None
            assert control.weight is not None
            constants += [control.seen, control.weight, *(cut(key) for key in control.keys)]
        each = len(net.keys) // len(net.lean.attentions)
        forward = forward_of(net.lean, [control.lean for control in controls], keys_each=each)
        x = self._buffer[skipped:]
        return _Pass(
            wrap(forward, rows, (each, tuple(control.name for control in controls))),
            table,
            tuple(constants),
            x,
            x.unflatten(0, (halves, images))[:, :, :4],
        )

    def run(
        self,
        latents: Tensor,
        *,
        noise: Callable[[int], Tensor] | None,
        report: Callable[[float], object],
        cancel: CancelToken,
    ) -> Tensor:
        """Denoise `latents` (images, 4, h, w) float32, in place; `noise` draws a fresh one for samplers that want it.

        `cancel` is looked at before every step, `report` told the share that is done after it.
        """
        import torch

        images, scale = self._images, self._guidance.scale
        steps = self._schedule.steps
        last: Any = None
        with torch.inference_mode():
            for index, (step, made) in enumerate(zip(steps, self._passes, strict=True)):
                cancel.check()
                made.latents.copy_(latents if step.scale == 1.0 else latents * step.scale)
                e = made.forward(made.x, made.table[index], *made.constants)
                e = torch.lerp(e[:images].float(), e[images:].float(), scale) if e.shape[0] > images else e.float()
                m = (e * step.from_e).add_(latents, alpha=step.from_x)
                latents.mul_(step.keep).add_(m, alpha=step.to_m)
                if step.to_last:
                    latents.add_(last, alpha=step.to_last)
                if step.noise and noise is not None:
                    latents.add_(noise(index), alpha=step.noise)
                last = m
                report((index + 1) / len(steps))
        return latents
