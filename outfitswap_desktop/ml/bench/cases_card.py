"""What one pass costs on the card: denoising steps, decoding, SAM, what the host adds. Written to run on any device.

The tests run these cases with small networks on the processor; on a CUDA card they have not been run here.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled
from outfitswap_desktop.ml.bench.case import Case, Need, Row, Setting, Target, compared
from outfitswap_desktop.ml.bench.networks import Networks, random_network, random_networks, randomised
from outfitswap_desktop.ml.bench.steps import OurLoop, Start, difference, make_start, plain_run
from outfitswap_desktop.ml.bench.timing import clock_for, interleaved, settled, wall_clock
from outfitswap_desktop.ml.device import Device, find_device
from outfitswap_desktop.ml.speed.stepper import Stepper, make_stepper

Size = tuple[int, int]
HOPPER = ("H100", "H200")
"""Cards that the absolute targets were set for."""
STEPS = 6
COMPILE_SECONDS = 150.0
HOST_NEED = Need("cuda", 25, 6)
SAM_NEED = Need("cuda", 20, 6, ("torch", "segment_anything"))


def dtype_on(device: str) -> str:
    """What is measured in: half precision on a card, single on the processor."""
    return "float16" if device.startswith("cuda") else "float32"


def device_of(setting: Setting) -> Device:
    """The setting's device in the words of the engines."""
    if setting.device.startswith("cuda"):
        return find_device()
    return Device("cpu", "CPU", 0, 0, None, "float32")


def stepper_of(setting: Setting, *, compiling: bool = False) -> Stepper:
    """The accelerator that the product would use here; without compiling unless it is what is measured."""
    return make_stepper(device_of(setting), compile_steps=compiling)


def with_own_unet(networks: Networks) -> Networks:
    """The same networks around a copy of the UNet, so that what one side does to it (layout, fusing) is not the other's."""
    return Networks(networks.family, copy.deepcopy(networks.unet), networks.vae, networks.texts)


@dataclass(frozen=True, slots=True)
class Accurate:
    """Errors of our loop against the plain one, both from the same start: what one step adds, and the latents after four."""

    one_step: float
    four_steps: float

    def as_errors(self) -> dict[str, float]:
        return {"one step": self.one_step, "4 steps": self.four_steps}


def check(ours: OurLoop, plain: Networks, start: Start, *, guidance: float) -> Accurate:
    """Run both for one and for four steps, ours often enough that its graph is recorded and answers."""
    found, exact = [], []
    for steps in (1, 4):
        run = ours.job(start, steps=steps, guidance=guidance)
        for _ in range(3):
            latents = run()
        found.append(latents.float().clone())
        exact.append(plain_run(plain, start, steps=steps, guidance=guidance)().float().clone())
    moved = start.noise * _first_level(1)
    return Accurate(difference(found[0] - moved, exact[0] - moved), difference(found[1], exact[1]))


def _first_level(steps: int) -> float:
    from outfitswap_desktop.ml.bench.networks import SCHEDULER
    from outfitswap_desktop.ml.diffusion.schedule import make_schedule

    return make_schedule(SCHEDULER, "euler", steps=steps).noise


@dataclass(frozen=True, slots=True)
class StepCase:
    """One denoising step of one family and size: our loop against the plain one, in turns."""

    ids: tuple[str, ...]
    what: str
    need: Need
    quick: bool
    family: str
    size: Size
    guidance: float
    target: Target
    compiles: bool = False
    over_b1: float = 0.0

    def run(self, setting: Setting) -> Sequence[Row]:
        size = (64, 64) if setting.tiny else self.size
        networks = random_networks(
            self.family, device=setting.device, dtype=dtype_on(setting.device), tiny=setting.tiny
        )
        plain, start = with_own_unet(networks), make_start(networks, size)
        rows = [self._against_b0(setting, self.ids[0], networks, plain, start, compiling=False)]
        if self.compiles and setting.full and not setting.tiny:
            if setting.left() > COMPILE_SECONDS:
                rows.append(self._against_b0(setting, f"{self.ids[0]}c", networks, plain, start, compiling=True))
            if setting.left() > COMPILE_SECONDS:
                rows.append(self._against_b1(setting, networks, plain, start))
        return rows

    def _against_b0(
        self, setting: Setting, name: str, networks: Networks, plain: Networks, start: Start, *, compiling: bool
    ) -> Row:
        stepper = stepper_of(setting, compiling=compiling)
        ours = OurLoop(networks, stepper)
        with stepper.around(_recipe(self.family), device=device_of(setting), mode="quality"):
            if compiling:
                self._compile(setting, ours, start)
            errors = check(ours, plain, start, guidance=self.guidance)
            ours_ms, plain_ms = self._time(setting, ours, plain, start)
        facts = {"accelerator": dict(stepper.state()), "steps": STEPS}
        stepper.close()
        return compared(
            name, self.what + (", compiled" if compiling else ""), unit="ms", ours=ours_ms, baseline=plain_ms,
            against="B0", target=self.target, errors=errors.as_errors(), facts=facts,
        )  # fmt: skip

    def _compile(self, setting: Setting, ours: OurLoop, start: Start) -> None:
        """Two jobs, the wait that a user does not have, and the job in which the compiled step takes over."""
        run = ours.job(start, steps=STEPS, guidance=self.guidance)
        stepper = ours.accelerator
        assert isinstance(stepper, Stepper)
        for wait in (0.0, COMPILE_SECONDS, 0.0):
            with stepper.around(_recipe(self.family), device=device_of(setting), mode="quality"):
                run()
            stepper.wait(wait)

    def _against_b1(self, setting: Setting, networks: Networks, plain: Networks, start: Start) -> Row:
        """Compiled both: ours from the artifacts of the row before, B1 as diffusers' documentation has it."""
        plain.unet.to(memory_format=torch_channels_last())
        plain.unet.fuse_qkv_projections()
        plain.unet.compile(mode="reduce-overhead", fullgraph=True)
        stepper = stepper_of(setting, compiling=True)
        ours = OurLoop(networks, stepper)
        with stepper.around(_recipe(self.family), device=device_of(setting), mode="quality"):
            self._compile(setting, ours, start)
            ours_ms, b1_ms = self._time(setting, ours, plain, start)
        stepper.close()
        return compared(
            f"{self.ids[0]}b", f"{self.what}, compiled both", unit="ms", ours=ours_ms, baseline=b1_ms, against="B1",
            target=Target(ratio=self.over_b1),
        )  # fmt: skip

    def _time(self, setting: Setting, ours: OurLoop, plain: Networks, start: Start) -> list[float]:
        mine = ours.job(start, steps=STEPS, guidance=self.guidance)
        other = plain_run(plain, start, steps=STEPS, guidance=self.guidance)
        repeats = 3 if setting.tiny else 20
        times = interleaved([mine, other], repeats=repeats, clock=clock_for(setting.device), budget=40)
        return [milliseconds / STEPS for milliseconds in times]


def torch_channels_last() -> Any:
    """torch.channels_last."""
    import torch

    return torch.channels_last


def _recipe(family: str) -> Any:
    from outfitswap_desktop.ml.recipes import recipes

    return recipes()[family]


@dataclass(frozen=True, slots=True)
class HostCase:
    """What the host adds to a step: launches, waiting for the card, and how soon a cancel is heard."""

    ids: tuple[str, ...] = ("G17",)
    what: str = "launches per step (no waits for the card; cancel within a step)"
    need: Need = HOST_NEED
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        import torch

        networks = random_networks("sd15", device=setting.device, dtype=dtype_on(setting.device), tiny=setting.tiny)
        start = make_start(networks, (64, 64) if setting.tiny else (512, 512))
        stepper = stepper_of(setting)
        plain = with_own_unet(networks)
        ours = OurLoop(networks, stepper)
        mine = ours.job(start, steps=STEPS, guidance=5.0)
        other = plain_run(plain, start, steps=STEPS, guidance=5.0)
        for _ in range(2):
            mine()
            other()
        launches = [_launches(call) / STEPS for call in (mine, other)]
        waits = 0
        if setting.device.startswith("cuda"):
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")
            try:
                mine()
            except RuntimeError:
                waits = 1
            finally:
                torch.cuda.set_sync_debug_mode("default")
        done, milliseconds = cancel_latency(ours, start, setting.device)
        stepper.close()
        facts = {"waits": waits, "steps_after_cancel": done, "cancel_ms": round(milliseconds, 2)}
        return [
            compared(
                "G17", self.what, unit="launches", ours=launches[0], baseline=launches[1], against="B0",
                target=Target(most=3), facts=facts, notes=(f"{waits} waits, {done} steps after a cancel",),
            )
        ]  # fmt: skip


def _launches(call: Callable[[], Any]) -> float:
    """Kernel and graph launches on CUDA; operations elsewhere."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        call()
    names = [event.name for event in profiler.events()]
    on_card = [
        name for name in names if name.startswith(("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cudaMemcpyAsync"))
    ]
    return float(len(on_card) or sum(name.startswith("aten::") for name in names))


def cancel_latency(ours: OurLoop, start: Start, device: str) -> tuple[int, float]:
    """Steps that are still begun after a cancel, and milliseconds until the loop has ended."""
    token = CancelToken()
    seen: list[float] = []
    pressed = [0.0]

    def report(share: float) -> None:
        seen.append(share)
        if len(seen) == 2:
            pressed[0] = time.perf_counter()
            token.set()

    run = ours.job(start, steps=STEPS, guidance=5.0, report=report, cancel=token)

    def cancelled() -> None:
        with suppress(Cancelled):
            run()

    settled(cancelled, device)()
    return len(seen) - 2, (time.perf_counter() - pressed[0]) * 1000


@dataclass(frozen=True, slots=True)
class SamCase:
    """A further click on a photo that was encoded before, and the encoding itself, against segment-anything's predictor."""

    ids: tuple[str, ...] = ("G12", "G13")
    what: str = "SAM ViT-B, second click on a photo"
    need: Need = SAM_NEED
    quick: bool = True

    def run(self, setting: Setting) -> Sequence[Row]:
        import numpy as np
        import torch
        from segment_anything import SamPredictor

        from outfitswap_desktop.ml.embedding_cache import EmbeddingCache
        from outfitswap_desktop.ml.refine import Prompt, SamRefiner
        from outfitswap_desktop.ml.sam import VIT_B, load_vit_b

        build = _tiny_sam if setting.tiny else None
        photo = np.random.default_rng(0).integers(
            0, 256, (1536, 1024, 3) if not setting.tiny else (96, 64, 3), np.uint8
        )
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            network = _random_sam(setting)
            torch.save(network.state_dict(), folder / "sam.pth")
            refiner = SamRefiner(
                OneFolder(folder, VIT_B),
                device=device_of(setting),
                cache=EmbeddingCache(folder / "cache"),
                loaders={VIT_B: lambda weights, device: load_vit_b(weights, device, build=build)},
            )
            prompt = Prompt(points=((photo.shape[1] / 2, photo.shape[0] / 2, True),))
            predictor = SamPredictor(network)

            def click() -> Any:
                return refiner.answer(photo, prompt)

            def plain() -> Any:
                with torch.no_grad():
                    predictor.set_image(photo)
                    return predictor.predict(
                        np.array([[photo.shape[1] / 2, photo.shape[0] / 2]]), np.array([1]),
                        multimask_output=False, return_logits=True,
                    )[0]  # fmt: skip

            error = difference(torch.from_numpy(click().logits), torch.from_numpy(plain()[0]))
            click_ms, plain_ms = self._time([click, plain], setting)
            encodes = refiner.counters.encodes

            def encode() -> Any:
                refiner_network = refiner._loaded()
                with torch.inference_mode():
                    return refiner_network.encode(photo)

            def plain_encode() -> None:
                with torch.no_grad():
                    predictor.set_image(photo)

            encode_ms, plain_encode_ms = self._time([encode, plain_encode], setting)
        return [
            compared(
                "G12", self.what, unit="ms", ours=click_ms, baseline=plain_ms, against="set_image + predict",
                target=Target(ratio=4), errors={"logits": error}, facts={"encodes": encodes},
            ),
            compared(
                "G13", "SAM ViT-B, encoding a photo", unit="ms", ours=encode_ms, baseline=plain_encode_ms,
                against="set_image", target=Target(ratio=1.5),
            ),
        ]  # fmt: skip

    def _time(self, calls: list[Callable[[], Any]], setting: Setting) -> list[float]:
        return interleaved(
            [settled(call, setting.device) for call in calls],
            repeats=3 if setting.tiny else 20,
            clock=wall_clock,
            budget=20,
        )


@dataclass(frozen=True, slots=True)
class OneFolder:
    """A store that has one set of weights: what is in `folder`."""

    folder: Path
    id: str
    catalogue: Any = None

    @property
    def hashes(self) -> dict[str, str]:
        return {path.name: "" for path in self.folder.iterdir() if path.is_file()}

    def open(self, weights_id: str) -> OneFolder:
        return self


def _random_sam(setting: Setting) -> Any:
    import torch

    from outfitswap_desktop.ml.sam import DEVIATION, MEAN

    if setting.tiny:
        with torch.device("meta"):
            empty = _tiny_sam()
        network: Any = randomised(empty.eval(), device=setting.device)
    else:
        network = random_network("sam-vit-b", device=setting.device, dtype="float32")
    network.pixel_mean.copy_(torch.tensor(MEAN).view(-1, 1, 1))
    network.pixel_std.copy_(torch.tensor(DEVIATION).view(-1, 1, 1))
    return network


def _tiny_sam() -> Any:
    """A small SAM of the library's own parts."""
    from functools import partial

    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    return Sam(
        image_encoder=ImageEncoderViT(
            depth=1, embed_dim=16, img_size=64, mlp_ratio=2, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            num_heads=2, patch_size=16, qkv_bias=True, use_rel_pos=True, global_attn_indexes=[0], window_size=2, out_chans=32,
        ),
        prompt_encoder=PromptEncoder(embed_dim=32, image_embedding_size=(4, 4), input_image_size=(64, 64), mask_in_chans=4),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3, transformer=TwoWayTransformer(depth=1, embedding_dim=32, mlp_dim=32, num_heads=2),
            transformer_dim=32, iou_head_depth=2, iou_head_hidden_dim=16,
        ),
    )  # fmt: skip


def cases() -> tuple[Case, ...]:
    """In the order in which they are run."""
    sdxl = HOPPER
    return (
        StepCase(("G1",), "SD1.5 512² CFG step", Need("cuda", 25, 8), True, "sd15", (512, 512), 5.0,
                 Target(ratio=2.5, most=6.0, on=sdxl), compiles=True, over_b1=1.3),
        StepCase(("G3",), "SDXL 1024² CFG step", Need("cuda", 45, 20), True, "sdxl", (1024, 1024), 5.0,
                 Target(ratio=1.75, most=34.0, on=sdxl), compiles=True, over_b1=1.1),
        HostCase(),
        SamCase(),
        StepCase(("G2",), "SD1.5 512x768 CFG step", Need("cuda", 25, 8), False, "sd15", (512, 768), 5.0,
                 Target(ratio=2.2, most=8.5, on=sdxl)),
        StepCase(("G4",), "SDXL 768x1024 CFG step", Need("cuda", 35, 20), False, "sdxl", (768, 1024), 5.0,
                 Target(ratio=1.8, most=26.0, on=sdxl)),
        StepCase(("G5",), "SDXL 1024² step without guidance", Need("cuda", 35, 20), True, "sdxl", (1024, 1024), 1.0,
                 Target(ratio=2.5, most=19.0, on=sdxl)),
    )  # fmt: skip
