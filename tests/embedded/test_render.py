"""The cloth on the garment: colour asked for, folds kept, old print gone, nothing outside touched, no halo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.core.regions import BodyAxis
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.embedded.fabric import drape, light, render, shading
from outfitswap_desktop.embedded.fabric.design import Cloth, Colour, Design, Material
from outfitswap_desktop.errors import Cancelled

SIZE = 240
AXES = (
    BodyAxis("trunk", (120.0, 50.0), (120.0, 170.0), 42.0),
    BodyAxis("right_upper_arm", (90.0, 58.0), (50.0, 125.0), 15.0),
    BodyAxis("left_upper_arm", (150.0, 58.0), (190.0, 125.0), 15.0),
)
WALL = (176, 182, 190)


def shirt(colour: Colour, *, size: int = SIZE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo (size, size, 3) of a T-shirt with folds before a plain wall, and its alpha."""
    s = size / SIZE
    alpha = np.zeros((size, size), np.uint8)
    trunk = np.array([(82, 46), (158, 46), (162, 200), (78, 200)], np.float64) * s
    cv2.fillConvexPoly(alpha, np.round(trunk * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    for start, end in (((90, 58), (50, 125)), ((150, 58), (190, 125))):
        a, b = (tuple(int(v * s) for v in point) for point in (start, end))
        cv2.line(alpha, a, b, 255, int(32 * s), cv2.LINE_AA)
    rng = np.random.default_rng(5)
    folds = np.zeros((size, size), np.float32)
    for sigma, gain in ((0.06, 0.3), (0.025, 0.22)):
        noise = cv2.GaussianBlur(
            rng.standard_normal((size, size)).astype(np.float32), (0, 0), sigma * size, sigmaY=2 * sigma * size
        )
        noise /= noise.std()
        folds += gain * (noise - 0.6 * np.exp(-((noise / 0.3) ** 2)))
    cloth = light.decode_bytes(np.array(colour, np.uint8)) * np.exp(folds)[..., None]
    share = alpha[..., None].astype(np.float32) / 255
    linear = share * cloth + (1 - share) * light.decode_bytes(np.array(WALL, np.uint8))
    return np.rint(light.encode(linear) * 255).astype(np.uint8), alpha


def plain(colour: Colour, material: Material | None = None) -> tuple[Design, Cloth]:
    tile = np.full((16, 16, 3), np.array(colour, np.float32) / 255, np.float32)
    return Design((colour,), material or Material("cotton", micro_depth=0.0)), Cloth(tile, (4.0, 4.0))


def striped(*, across: bool) -> tuple[Design, Cloth]:
    """Bands of 2 cm, red and white; `across` the body or along it."""
    tile = np.ones((64, 64, 3), np.float32)
    tile[:32] = np.array((200, 20, 30), np.float32) / 255
    if not across:
        tile = np.ascontiguousarray(tile.transpose(1, 0, 2))
    return Design(((200, 20, 30), (255, 255, 255)), Material("cotton"), pattern="stripe"), Cloth(tile, (4.0, 4.0))


def dress(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8], made: tuple[Design, Cloth], axes: tuple[BodyAxis, ...] = AXES
) -> NDArray[np.uint8]:
    scene = render.read_scene(image, alpha, axes, Zone.TOP)
    return render.render(image, alpha, design=made[0], cloth=made[1], scene=scene)


def inner(alpha: NDArray[np.uint8], rim: int = 3) -> NDArray[np.bool_]:
    return cv2.erode((alpha == 255).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)).astype(bool)


def high_pass(image: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    logs = np.log(light.luminance(light.decode_bytes(image)).astype(np.float64) + 1e-3)
    weight = inside.astype(np.float64)
    sigma = 0.02 * np.sqrt(inside.sum())
    mean = cv2.GaussianBlur(logs * weight, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
    return (logs - mean)[inside]


GARMENTS = {"white": (240, 240, 238), "black": (16, 16, 18), "orange": (214, 92, 40)}
ASKED = [
    (0, 0, 0),
    (255, 255, 255),
    (0, 0, 128),
    (255, 255, 0),
    (255, 0, 0),
    (230, 230, 250),
    (57, 255, 20),
    (92, 58, 33),
]


@pytest.mark.parametrize("garment", GARMENTS)
@pytest.mark.parametrize("asked", ASKED, ids=lambda c: "#{:02x}{:02x}{:02x}".format(*c))
def test_mid_tones_are_the_asked_colour_and_folds_stay(garment: str, asked: Colour) -> None:
    from skimage.color import deltaE_ciede2000, rgb2lab

    image, alpha = shirt(GARMENTS[garment])
    result = dress(image, alpha, plain(asked))
    inside = inner(alpha)
    pixels = result[inside]
    lum = light.luminance(light.decode_bytes(pixels))
    low, high = np.percentile(lum, [30, 70])
    median = np.median(pixels[(lum >= low) & (lum <= high)], axis=0)
    assert deltaE_ciede2000(rgb2lab(np.array(asked) / 255.0), rgb2lab(median / 255.0)) <= 6.0
    correlation = np.corrcoef(high_pass(image, inside), high_pass(result, inside))[0, 1]
    assert correlation >= 0.9


@pytest.mark.parametrize("garment", GARMENTS)
def test_what_alpha_leaves_out_is_returned_byte_for_byte(garment: str) -> None:
    image, alpha = shirt(GARMENTS[garment])
    before = image.copy()
    result = dress(image, alpha, striped(across=True))
    assert np.array_equal(result[alpha == 0], image[alpha == 0])
    assert np.array_equal(image, before), "the request's own array was written to"
    assert (result[alpha == 255] != image[alpha == 255]).any(axis=1).mean() > 0.95


@pytest.mark.parametrize("old", [(16, 16, 18), (250, 90, 20)], ids=["black", "orange"])
def test_soft_edge_shows_wall_and_new_cloth_but_not_the_old_colour(old: Colour) -> None:
    image, alpha = shirt(old)
    result = dress(image, alpha, plain(WALL))
    edge = (alpha > 60) & (alpha < 200)
    assert edge.sum() > 100
    # Cloth of the wall's colour before the wall: an edge that is anything else still holds the old garment.
    assert np.abs(np.median(result[edge].astype(int), axis=0) - WALL).max() <= 10


def test_white_print_on_black_vanishes() -> None:
    image, alpha = shirt((16, 16, 18))
    letters = np.zeros(alpha.shape, np.uint8)
    cv2.putText(letters, "FABRIC", (84, 110), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2, cv2.LINE_AA)
    printed = image.copy()
    printed[letters > 0] = (
        image[letters > 0] + (235.0 - image[letters > 0]) * (letters[letters > 0] / 255.0)[:, None]
    ).astype(np.uint8)
    clean, worn = (dress(photo, alpha, plain((40, 90, 160))) for photo in (image, printed))
    area = cv2.dilate(letters, np.ones((3, 3), np.uint8)) > 0
    difference = np.abs(clean[area].astype(int) - worn[area].astype(int)).mean()
    assert difference < 12, f"the old print changes the new cloth by {difference:.1f} levels"


@pytest.mark.parametrize("stripe", [(40, 60, 150), (232, 130, 120)], ids=["darker", "another hue"])
def test_coloured_stripes_of_the_old_garment_do_not_shine_through(stripe: Colour) -> None:
    image, alpha = shirt((235, 235, 232))
    rows = np.arange(SIZE) % 24 < 9
    old = light.decode_bytes(image)
    tint = light.decode_bytes(np.array(stripe, np.uint8)) / light.decode_bytes(np.array((235, 235, 232), np.uint8))
    old[rows] *= np.where(alpha[rows][..., None] > 0, tint, 1.0)
    printed = np.rint(light.encode(old) * 255).astype(np.uint8)
    result = dress(printed, alpha, plain((190, 160, 60)))
    inside = inner(alpha, 6)
    lum = np.log(light.luminance(light.decode_bytes(result)) + 1e-3)
    on = inside & rows[:, None]
    off = inside & ~rows[:, None]
    assert abs(float(np.median(lum[on]) - np.median(lum[off]))) < 0.12


def test_stripes_run_round_the_trunk_and_across_the_arm() -> None:
    image, alpha = shirt((235, 235, 232))
    result = dress(image, alpha, striped(across=True))
    red = (result[..., 0].astype(int) - result[..., 1] > 60) & (alpha == 255)

    def changes(start: tuple[float, float], end: tuple[float, float]) -> int:
        steps = np.linspace(0, 1, 160)[:, None]
        points = np.rint(np.array(start) + steps * (np.array(end) - np.array(start))).astype(int)
        line = red[points[:, 1], points[:, 0]]
        return int(np.count_nonzero(line[1:] != line[:-1]))

    down, sideways = changes((120, 60), (120, 190)), changes((100, 120), (140, 120))
    assert down >= 10
    assert sideways <= 6
    along_arm = changes((86, 64), (54, 118))
    assert along_arm >= 5


def test_vertical_stripes_close_up_towards_the_silhouette() -> None:
    axis = BodyAxis("trunk", (100.0, 0.0), (100.0, 200.0), 60.0)
    inside = np.zeros((200, 200), bool)
    inside[:, 40:160] = True
    laid = drape.lay(inside, (axis,), Zone.TOP, scale=(1.0, 1.0), guide=np.zeros((200, 200), np.float32))
    u = laid.panels[0].u[100]
    middle, edge = u[105] - u[95], u[155] - u[145]
    assert edge > 1.25 * middle
    assert u[100] == pytest.approx(0.0, abs=0.1)
    assert laid.panels[0].v[150, 100] > laid.panels[0].v[50, 100]


def test_without_axes_the_outline_gives_direction_and_scale() -> None:
    image, alpha = shirt((235, 235, 232))
    with_axes = render.read_scene(image, alpha, AXES, Zone.TOP)
    without = render.read_scene(image, alpha, (), Zone.TOP)
    assert without.drape.estimated
    assert not with_axes.drape.estimated
    assert 0.5 < without.pixels_per_cm / with_axes.pixels_per_cm < 2.0
    result = dress(image, alpha, striped(across=True), ())
    assert np.array_equal(result[alpha == 0], image[alpha == 0])


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_centimetres_follow_the_size_of_the_body(factor: float) -> None:
    image, alpha = shirt((200, 200, 200), size=int(SIZE * factor))
    axes = tuple(
        BodyAxis(
            a.part,
            (a.start[0] * factor, a.start[1] * factor),
            (a.end[0] * factor, a.end[1] * factor),
            a.radius * factor,
        )
        for a in AXES
    )
    scene = render.read_scene(image, alpha, axes, Zone.TOP)
    assert scene.pixels_per_cm == pytest.approx(2.2 * factor, rel=0.2)


def test_same_request_same_bytes_in_any_number_of_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha = shirt((120, 130, 140))
    made = striped(across=False)
    first = dress(image, alpha, made)
    assert np.array_equal(first, dress(image, alpha, made))
    monkeypatch.setattr(render, "STRIP_PIXELS", 4000)
    assert np.abs(first.astype(int) - dress(image, alpha, made)).max() <= 1


def test_gloss_brightens_ridges_and_velvet_does_not_go_grey() -> None:
    image, alpha = shirt((235, 235, 232))
    inside = inner(alpha)
    leather = Material(
        "leather", fold_gain=1.25, specular=0.6, gloss=0.6, micro="grain", micro_depth=0.0, light_floor=0.05
    )
    matt, glossy = (dress(image, alpha, plain((20, 20, 22), material)) for material in (None, leather))
    spread = [np.percentile(high_pass(picture, inside), 98) for picture in (matt, glossy)]
    assert spread[1] > 1.3 * spread[0]
    velvet = dress(image, alpha, plain((0, 110, 70), Material("velvet", sheen=0.6, micro_depth=0.0)))
    assert (velvet[inside][:, 1] > velvet[inside][:, 0]).all()


def test_cancel_stops_between_strips() -> None:
    image, alpha = shirt((235, 235, 232))
    scene = render.read_scene(image, alpha, AXES, Zone.TOP)
    token = CancelToken()
    token.set()
    design, cloth = plain((10, 20, 30))
    with pytest.raises(Cancelled):
        render.render(image, alpha, design=design, cloth=cloth, scene=scene, cancel=token)


@pytest.mark.parametrize("shape", [(1, 400), (400, 1), (9, 9), (64, 300)])
def test_odd_masks_do_no_harm(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    alpha = np.zeros(shape, np.uint8)
    alpha[shape[0] // 3 :, shape[1] // 3 :] = 255
    result = dress(image, alpha, striped(across=True), ())
    assert result.shape == image.shape
    assert np.array_equal(result[alpha == 0], image[alpha == 0])


@pytest.mark.parametrize("level", [0, 255])
def test_a_garment_of_one_value_becomes_the_asked_colour(level: int) -> None:
    image = np.full((80, 80, 3), level, np.uint8)
    alpha = np.zeros((80, 80), np.uint8)
    alpha[20:60, 20:60] = 255
    result = dress(image, alpha, plain((200, 30, 40)), ())
    assert np.abs(np.median(result[alpha == 255], axis=0) - (200, 30, 40)).max() <= 3


def test_shading_of_a_plain_garment_is_its_own_log_luminance() -> None:
    image, alpha = shirt((200, 200, 198))
    taken = shading.take_apart(image, alpha)
    assert taken.printed == 0.0
    assert not taken.print_log.any()
    logs = np.log(light.luminance(light.decode_bytes(image)) + taken.offset) - taken.level
    assert np.abs(logs - taken.folds)[taken.inside].max() < 0.02


def test_a_garment_wide_design_shows_its_first_colour_at_the_top_and_its_last_at_the_hem() -> None:
    image, alpha = shirt((235, 235, 232))
    down = np.linspace(0, 1, 128, dtype=np.float32)[:, None, None]
    tile = (1 - down) * np.array((220, 30, 30), np.float32) / 255 + down * np.array((30, 30, 220), np.float32) / 255
    design = Design(((220, 30, 30), (30, 30, 220)), Material("cotton"), pattern="gradient")
    result = dress(image, alpha, (design, Cloth(np.repeat(tile, 128, axis=1), (64.0, 64.0))))
    rows = np.flatnonzero(inner(alpha, 1)[:, 120])
    for row, first in ((rows[0], 0), (rows[1], 0), (rows[-2], 2), (rows[-1], 2)):
        red, _, blue = result[row, 110:130].mean(axis=0)
        assert (red > 2 * blue) if first == 0 else (blue > 2 * red), f"row {row} is mixed with the other end"


def test_a_pattern_on_a_full_primary_keeps_its_other_colours() -> None:
    image, alpha = shirt((235, 235, 232))
    tile = np.zeros((64, 64, 3), np.float32)
    tile[..., 0] = 1.0
    tile[40:] = (1.0, 1.0, 1.0)
    design = Design(((255, 0, 0), (255, 255, 255)), Material("cotton"), pattern="stripe")
    result = dress(image, alpha, (design, Cloth(tile, (8.0, 8.0))))[inner(alpha)].astype(int)
    pale = result[result.min(axis=1) > 150]
    assert len(pale) > 0.15 * len(result), "the white bands are gone"
    assert (pale.max(axis=1) - pale.min(axis=1)).mean() < 30
