"""A transformer whose blocks wait in main memory and come to the device one by one, the next on its way while one works.

diffusers has the like, but only beside `accelerate`. The branch for CUDA, with a stream of its own for the copies, has not
been run yet: without a card the same bookkeeping copies within main memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


class BlockStream:
    """Streams the blocks (the ModuleLists' members) of `painter` to `device`; what is no block moves there to stay.

    At most two blocks are on the device, three while the host runs ahead. Weights are only read: a block that leaves is
    dropped, not copied back. `stop` puts everything back into main memory.
    """

    def __init__(self, painter: Module, *, device: str) -> None:
        import torch

        self._painter = painter
        self._device = torch.device(device)
        self._cuda = self._device.type == "cuda"
        painter.to("cpu")
        lists = [child for child in painter.children() if isinstance(child, torch.nn.ModuleList)]
        self._blocks = [block for blocks in lists for block in blocks]
        pinned = self._cuda and _room_to_pin(self._blocks)
        self._homes = [_home(block, pinned=pinned) for block in self._blocks]
        for child in painter.children():
            if child not in lists:
                child.to(self._device)
        self._side = torch.cuda.Stream(self._device) if self._cuda else None
        self._here: dict[int, Any] = {}
        self._done: list[Any] = []
        self._handles = []
        for number, block in enumerate(self._blocks):
            self._handles.append(block.register_forward_pre_hook(self._entering(number)))
            self._handles.append(block.register_forward_hook(self._leaving(number)))

    def stop(self) -> None:
        """Take the hooks away and everything off the device."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for number in tuple(self._here):
            self._drop(number)
        self._painter.to("cpu")

    @property
    def on_device(self) -> tuple[int, ...]:
        """The blocks that lie on the device now."""
        return tuple(sorted(self._here))

    def _entering(self, number: int) -> Any:
        def hook(block: Module, inputs: Any) -> None:
            following = (number + 1) % len(self._blocks)
            for other in [n for n in self._here if n not in (number, following)]:
                self._drop(other)  # left there by a pass that was broken off
            self._bring(number)
            self._wait(number)
            self._bring(following)

        return hook

    def _leaving(self, number: int) -> Any:
        def hook(block: Module, inputs: Any, output: Any) -> None:
            if self._cuda:
                import torch

                event = torch.cuda.Event()
                event.record()
                self._done.append(event)
            if len(self._blocks) > 1:
                self._drop(number)

        return hook

    def _bring(self, number: int) -> None:
        """Start a block's way to the device."""
        if number in self._here:
            return
        if self._side is None:
            for tensor, home in self._homes[number]:
                tensor.data = home.to(self._device, copy=True)
            self._here[number] = None
            return
        import torch

        while len(self._done) > 1:
            self._done.pop(0).synchronize()  # the host must not run ahead: what it drops is free only when it was used
        with torch.cuda.stream(self._side):
            for tensor, home in self._homes[number]:
                tensor.data = home.to(self._device, non_blocking=True)
            event = torch.cuda.Event()
            event.record(self._side)
        self._here[number] = event

    def _wait(self, number: int) -> None:
        """Let the device's work wait for a block that is on its way."""
        if self._side is None:
            return
        import torch

        work = torch.cuda.current_stream(self._device)
        work.wait_event(self._here[number])
        for tensor, _ in self._homes[number]:
            tensor.data.record_stream(work)

    def _drop(self, number: int) -> None:
        for tensor, home in self._homes[number]:
            tensor.data = home
        del self._here[number]


def _home(block: Module, *, pinned: bool) -> list[tuple[Tensor, Tensor]]:
    """A block's tensors with what they hold in main memory."""
    found = []
    for tensor in (*block.parameters(), *block.buffers()):
        if pinned:
            tensor.data = tensor.data.pin_memory()
        found.append((tensor, tensor.data))
    return found


def _room_to_pin(blocks: list[Module]) -> bool:
    """Whether main memory has room for the blocks twice: pinned, they travel while the card works; torch rounds up to
    powers of two where it pins."""
    import psutil

    size = sum(t.numel() * t.element_size() for block in blocks for t in (*block.parameters(), *block.buffers()))
    return bool(psutil.virtual_memory().available > 2 * size)
