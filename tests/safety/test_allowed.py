"""Where a mask may lie: on the zone of the chosen person, a margin beyond, never on head, hair, hands or shoes."""

import numpy as np
import pytest

from outfitswap_desktop.core.regions import BodyAxis, Person, ProtectedArea, Region, Segmentation
from outfitswap_desktop.core.zones import MARGINS, TARGETS, Zone, target_in_prompt
from outfitswap_desktop.safety import allowed

SHAPE = (400, 300)


def box(x0, y0, x1, y1):
    mask = np.zeros(SHAPE, np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


ALONE = (Person(1, (50, 0, 250, 400), 0.9),)


def somebody(*, axes=(), body=None, protected=(), regions=None, persons=ALONE):
    found = {Zone.TOP: box(100, 100, 200, 200)} if regions is None else regions
    return Segmentation(
        "scripted", persons, persons[0].number, {z: Region(z, m, m, 0.9) for z, m in found.items()}, protected,
        axes=axes, body=body,
    )  # fmt: skip


def cut(alpha, *, zone=Zone.TOP, prompt="", found=None, outline=None):
    return allowed.cut(alpha, zone=zone, target=target_in_prompt(prompt), found=found, outline=outline)


def test_the_garment_itself_is_kept_whole():
    left = cut(box(100, 100, 200, 200), found=somebody())
    assert np.array_equal(left.mask, box(100, 100, 200, 200))
    assert (left.beyond_zone, left.protected) == (0, 0)
    assert left.sentences() == ()


@pytest.mark.parametrize(("prompt", "zone", "margin"), [
    ("red t-shirt", Zone.TOP, 0.025), ("red sweater", Zone.TOP, 0.04), ("red", Zone.TOP, 0.04),
    ("red coat", Zone.OUTER, 0.10), ("red coat", Zone.TOP, 0.04),
])  # fmt: skip
def test_the_margin_is_that_of_what_is_asked_for(prompt, zone, margin):
    found = somebody(regions={zone: box(100, 100, 200, 200)})
    left = cut(box(0, 140, 300, 160), zone=zone, prompt=prompt, found=found)
    columns = np.flatnonzero(left.mask[150])
    reach = round(margin * 400)
    assert (columns[0], columns[-1]) == (100 - reach, 199 + reach)
    assert left.beyond_zone == 20 * (200 - 2 * reach)
    assert "beyond what this garment may cover" in left.sentences()[0]


def test_limbs_of_the_zone_count_and_others_do_not():
    axes = (
        BodyAxis("left_upper_arm", (200, 120), (280, 120), 10),
        BodyAxis("left_thigh", (150, 220), (150, 390), 15),
        BodyAxis("trunk", (150, 100), (150, 200), 40),
    )
    top = cut(np.full(SHAPE, 255, np.uint8), found=somebody(axes=axes))
    assert top.mask[120, 270]
    assert not top.mask[380, 150]
    legs = cut(np.full(SHAPE, 255, np.uint8), zone=Zone.BOTTOM, found=somebody(axes=axes, regions={}))
    assert legs.mask[380, 150]
    assert not legs.mask[120, 270]
    assert not legs.mask[110, 150]
    inside = cut(np.full(SHAPE, 255, np.uint8), found=somebody(axes=axes, body=box(90, 90, 210, 400)))
    assert not inside.mask[120, 270]


def test_head_hair_hands_and_shoes_are_never_in_it_and_skin_may_be_covered():
    names = ("head", "hair", "hands", "shoes", "skin")
    areas = tuple(ProtectedArea(name, box(100 + 10 * n, 100, 110 + 10 * n, 110), 0.9) for n, name in enumerate(names))
    left = cut(box(100, 100, 200, 200), found=somebody(protected=areas))
    assert not left.mask[100:110, 100:140].any()
    assert left.mask[105, 145]
    assert (left.beyond_zone, left.protected) == (0, 400)
    assert left.sentences() == ("400 pixels of the mask lay on head, hair, hands or shoes and were cut.",)


def test_a_drawn_outline_stands_in_and_without_anybody_nothing_is_left():
    left = cut(np.full(SHAPE, 255, np.uint8), outline=box(100, 100, 200, 300))
    rows = np.flatnonzero(left.mask[:, 150])
    assert (rows[0], rows[-1]) == (92, 307)
    nothing = cut(box(0, 0, 50, 50), found=None)
    assert not nothing.mask.any()
    assert nothing.beyond_zone == 2500
    assert not cut(box(0, 0, 50, 50), outline=np.zeros(SHAPE, np.uint8)).mask.any()


def test_a_soft_edge_always_fits_and_the_chosen_person_counts():
    tiny = (Person(1, (100, 100, 120, 120), 0.9), Person(2, (0, 0, 300, 400), 0.9))
    left = cut(box(0, 140, 300, 160), found=somebody(persons=tiny))
    assert np.flatnonzero(left.mask[150])[0] == 100 - allowed.SOFT_EDGE
    nobody = Segmentation("s", (), 1, {Zone.TOP: Region(Zone.TOP, box(9, 9, 20, 20), box(9, 9, 20, 20), 1)}, ())
    assert cut(box(0, 0, 300, 400), found=nobody).mask.any()


def test_the_table_is_sound():
    assert set(MARGINS) == set(Zone)
    for target in TARGETS:
        assert 0 < target.margin <= MARGINS[target.zone]
        assert target.covers
    assert {t.name for t in TARGETS if t.loose} == {"knitwear", "jacket", "coat"}
    assert allowed.margin_of(None, Zone.OUTER) == 0.10


def test_sentences_leave_a_few_pixels_out():
    assert allowed.Cut(box(0, 0, 1, 1), 20, 20).sentences() == ()
    assert len(allowed.Cut(box(0, 0, 1, 1), 21, 21).sentences()) == 2
