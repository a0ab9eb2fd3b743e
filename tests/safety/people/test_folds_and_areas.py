"""Edges of what is known of a body: prints of other sizes, and limbs too thin to be drawn."""

from dataclasses import replace

import numpy as np
import pytest

from outfitswap_desktop.safety.people.areas import _limbs
from outfitswap_desktop.safety.people.folds import Folds
from tests.safety.people.figures import AXES, HEIGHT, WIDTH, shaded


@pytest.mark.parametrize("size", [(39, 30), (41, 30), (40, 29), (40, 31)])
def test_a_picture_of_another_size_than_the_print_is_refused(size):
    cloth = shaded((60, 90, 150), 1)[:50, :50].astype(np.uint8)
    folds = Folds.read(cloth[:40, :30], np.ones((40, 30), bool))
    assert folds.kept(cloth[:40, :30]).all()
    with pytest.raises(ValueError, match="print's size"):
        folds.kept(cloth[: size[0], : size[1]])


def test_a_limb_without_breadth_is_a_line():
    axes = {axis.part: replace(axis, radius=0.1) for axis in AXES}
    found = _limbs(axes, (HEIGHT, WIDTH))
    assert np.count_nonzero(found["shins"]) == 2 * 86
    assert np.count_nonzero(found["shins"].any(axis=0)) == 2
    broad = _limbs({axis.part: axis for axis in AXES}, (HEIGHT, WIDTH))
    assert np.count_nonzero(broad["shins"].any(axis=0)) == pytest.approx(
        2 * 40, abs=3
    )  # 1.25 of the radius on both sides
