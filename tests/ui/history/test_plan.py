"""What a receipt says of how an engine ran, as lines."""

import pytest
from PySide6.QtCore import QLocale

from outfitswap_desktop.ui.history.diagnostics import DiagnosticsView
from outfitswap_desktop.ui.history.plan import plan_lines
from tests.ui.history.entries import receipt, write

PLAN = {
    "crop": [0, 0, 400, 500], "size": [768, 1024], "engine": "sdxl", "recipe": "sdxl", "precision": "float16", "steps": 28,
    "guidance": 6.5, "strength": 0.99, "mode": "balanced", "batch": 4, "device": "A card", "compiled": "graph", "tiled": True,
    "offload": "text", "weights": {"sdxl": "abcdef0123456789", "sdxl-vae": None},
    "garment": {"adapter": "ip-adapter-plus.safetensors", "weight": 0.7},
    "controls": ["pose", {"name": "depth", "weight": 0.3}],
}  # fmt: skip
ENGLISH = QLocale("en")


def test_every_line_that_a_user_can_use():
    assert plan_lines(PLAN, ENGLISH) == (
        "Recipe: sdxl",
        "Mode: Balanced",
        "Painted at 768 × 1024 pixels",
        "Steps: 28",
        "Guidance: 6.5",
        "Strength: 0.99",
        "Controls: pose, depth 0.3",
        "Garment picture: weight 0.7",
        "Painted together with its variations: 4 in all",
        "Precision: float16",
        "Ran on: A card",
        "The picture was put together in tiles, to save memory.",
        "Parts of the engine waited outside the card, to save memory.",
        "Weights: sdxl abcdef012345",
        "Weights: sdxl-vae",
    )


def test_numbers_are_written_as_the_language_does():
    assert "Guidance: 6,5" in plan_lines(PLAN, QLocale("de_DE"))
    assert "Painted at 768 × 1024 pixels" in plan_lines(PLAN, QLocale("de_DE"))


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {
            "recipe": 3,
            "mode": [],
            "size": [1],
            "steps": True,
            "guidance": "7",
            "controls": 5,
            "batch": 1,
            "weights": [1],
        },
        {"size": ["a", "b"], "tiled": False, "garment": True, "offload": "none", "controls": [], "device": None},
    ],
)
def test_what_is_odd_or_not_so_is_left_out(plan):
    assert plan_lines(plan, ENGLISH) == ()


def test_the_details_of_an_entry_say_it(qtbot, history, tmp_path):
    plain = receipt(5, engine="sdxl")
    made = plain["made"] | {"plan": PLAN}
    entry = history.get(write(history, tmp_path, "one", 5, engine="sdxl", receipt=plain | {"made": made}))
    view = DiagnosticsView()
    qtbot.addWidget(view)
    view.show_entry(entry, {}, None, limits={}, again=None)
    lines = view.text("made").splitlines()
    assert lines[:2] == ["Engine: sdxl", "Segmenter: mediapipe"]
    assert {"Steps: 28", "Controls: pose, depth 0.3"} <= set(lines)
