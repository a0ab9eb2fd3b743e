"""The fabric generator end to end: words or a garment picture in, a dressed crop and an honest account out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.steps import Generated, GenerationRequest, Generator
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric.generator import MOVED, FabricGenerator
from outfitswap_desktop.errors import Cancelled, InputRefused

from .test_render import AXES, inner, shirt


def request(prompt: str, *, colour: tuple[int, int, int] = (235, 235, 232), **more: object) -> GenerationRequest:
    image, alpha = shirt(colour)
    return GenerationRequest(image, alpha, Zone.TOP, prompt, **{"axes": AXES, **more})  # type: ignore[arg-type]


def generate(asked: GenerationRequest, seen: list[float] | None = None) -> Generated:
    report = seen.append if seen is not None else lambda _: None
    return FabricGenerator().generate(asked, report=report, cancel=CancelToken())


def test_it_is_a_generator_that_works_at_native_size() -> None:
    generator: Generator = FabricGenerator()
    assert (generator.name, generator.max_pixels, generator.multiple) == ("fabric", None, 1)


@pytest.mark.parametrize(
    "prompt", ["navy cotton shirt", "red tartan", "gold sequins", "pink to blue gradient", "leopard print silk"]
)
def test_words_become_cloth_and_the_plan_says_what_was_understood(prompt: str) -> None:
    asked = request(prompt)
    seen: list[float] = []
    made = generate(asked, seen)
    assert made.image.shape == asked.image.shape
    assert made.image.dtype == np.uint8
    assert np.array_equal(made.image[asked.alpha == 0], asked.image[asked.alpha == 0])
    assert (made.image[asked.alpha == 255] != asked.image[asked.alpha == 255]).any(axis=1).mean() > 0.9
    assert set(made.plan) >= {"understood", "pattern", "material", "colours", "pixels_per_cm"}
    assert made.plan["understood"]
    assert all(len(colour) == 7 and colour.startswith("#") for colour in made.plan["colours"])
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_same_request_same_bytes() -> None:
    first, second = (generate(request("floral cotton dress", seed=7)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert first.plan == second.plan


def test_colours_that_may_not_be_painted_are_moved_and_it_is_said() -> None:
    moved = generate(request("#8a2be2 and #202020 striped cotton", recolour=lambda one: (one[0], one[1], 40)))
    assert moved.plan["colours"] == ("#8a2b28", "#202020"), "stripes are no large areas"
    assert moved.notes == (MOVED,)
    assert "skin" in MOVED
    large = generate(request("#8a2be2 to #202020 gradient", recolour=lambda one: (one[0], one[1], 40)))
    assert large.plan["colours"] == ("#8a2b28", "#202028")
    kept = generate(request("navy cotton shirt", recolour=lambda one: one))
    plain = generate(request("navy cotton shirt"))
    assert kept.notes == plain.notes == ()
    assert np.array_equal(kept.image, plain.image)


def test_a_pictures_cloth_keeps_its_colours() -> None:
    swatch = np.full((200, 200, 3), (180, 120, 85), np.uint8)
    made = generate(request("", garment=swatch, recolour=lambda _: (0, 0, 255)))
    assert made.plan["colours"] == ("#b47855",)
    assert made.notes == ()


def test_a_hex_colour_arrives() -> None:
    asked = request("#8a2be2 cotton t-shirt", colour=(16, 16, 18))
    made = generate(asked)
    assert made.plan["colours"] == ("#8a2be2",)
    median = np.median(made.image[inner(asked.alpha)], axis=0)
    assert np.abs(median - (0x8A, 0x2B, 0xE2)).max() <= 8


def test_the_cut_cannot_change_and_black_is_said_to_be_hard() -> None:
    limits = generate(request("long sleeves red cotton shirt", colour=(10, 10, 11))).limits
    assert any("sleeve" in sentence for sentence in limits)
    assert any("nearly black" in sentence for sentence in limits)
    assert not any("nearly black" in sentence for sentence in generate(request("red cotton")).limits)


def test_without_a_body_the_result_says_so() -> None:
    assert any("No body" in sentence for sentence in generate(request("breton", axes=())).limits)


def swatch() -> NDArray[np.uint8]:
    """A picture of cloth: green with yellow squares, slightly noisy."""
    picture = np.full((160, 160, 3), (30, 110, 60), np.uint8)
    ys, xs = np.mgrid[0:160, 0:160]
    picture[(ys % 20 < 6) & (xs % 20 < 6)] = (230, 200, 60)
    noise = np.random.default_rng(2).integers(-3, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_a_picture_of_fabric_is_worn() -> None:
    asked = request("", garment=swatch())
    made = generate(asked)
    pixels = made.image[inner(asked.alpha)].astype(int)
    assert (pixels[:, 1] - pixels[:, 2] > 15).mean() > 0.7, "neither green nor yellow"
    assert np.array_equal(made.image[asked.alpha == 0], asked.image[asked.alpha == 0])


def test_words_without_fabric_and_empty_masks_are_refused() -> None:
    with pytest.raises(InputRefused):
        generate(request("qwertz uiop"))
    image, alpha = shirt((200, 200, 200))
    with pytest.raises(InputRefused):
        generate(GenerationRequest(image, np.zeros_like(alpha), Zone.TOP, "red cotton"))


def test_cancel_ends_it() -> None:
    token = CancelToken()

    def stop(done: float) -> None:
        if done > 0.3:
            token.set()

    with pytest.raises(Cancelled):
        FabricGenerator().generate(request("red tartan"), report=stop, cancel=token)
