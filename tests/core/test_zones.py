"""The garment a prompt asks for."""

import pytest

from outfitswap_desktop.core.zones import TARGETS, Zone, target_in_prompt


@pytest.mark.parametrize(
    ("prompt", "zone"),
    [
        ("navy pinstripe linen shirt", Zone.TOP),
        ("shirt dress", Zone.DRESS),
        ("a dress shirt", Zone.TOP),
        ("T-shirts", Zone.TOP),
        ("camel trench coat", Zone.OUTER),
        ("navy jacket over a white shirt", Zone.OUTER),
        ("long floral dresses", Zone.DRESS),
        ("black leather pants", Zone.BOTTOM),
        ("light blue jeans", Zone.BOTTOM),
        ("a grey suit with a white shirt", Zone.FULL),
        ("button-down in white", Zone.TOP),
    ],
)
def test_the_head_noun_decides(prompt, zone):
    target = target_in_prompt(prompt)
    assert target is not None
    assert target.zone is zone


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "red",
        "something with stripes",
        "shirtless",
        "coating",
        "burgundy corduroy",
        "grey flannel",
        "navy jersey",
        "denim",
    ],
)
def test_no_garment_named(prompt):
    assert target_in_prompt(prompt) is None


def test_no_cloth_is_taken_for_a_garment():
    from outfitswap_desktop.embedded.fabric.materials import materials

    for name in materials():
        assert target_in_prompt(f"navy {name}") is None, name


def test_no_word_belongs_to_two_targets():
    words = [word for target in TARGETS for word in target.words]
    assert len(words) == len(set(words))
