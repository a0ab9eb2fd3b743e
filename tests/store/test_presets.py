"""The user's own presets."""

from outfitswap_desktop.store.presets import LONGEST_NAME, Presets


def test_presets_are_kept_by_name(tmp_path):
    with Presets(tmp_path / "presets.db") as presets:
        presets.keep(" Monday ", "navy wool")
        presets.keep("aunt", "red silk")
        presets.keep("Monday", "grey wool")
    with Presets(tmp_path / "presets.db") as presets:
        assert presets.all() == (("aunt", "red silk"), ("Monday", "grey wool"))
        presets.drop("aunt")
        presets.drop("nobody")
        assert presets.all() == (("Monday", "grey wool"),)


def test_a_long_name_is_cut(tmp_path):
    with Presets(tmp_path / "presets.db") as presets:
        presets.keep("x" * 200, "navy")
        assert presets.all() == (("x" * LONGEST_NAME, "navy"),)
