"""Makes the README's pictures with the program, from NASA's portrait of Eileen Collins: uv run python docs/pictures.py.

The first sheet is what `outfitswap demo` writes. The second uses the outline that was drawn by hand for the benchmarks as the
mask, as a user would with --mask.
"""

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.demo import demo_photo, run_demo
from outfitswap_desktop.safety.api import Cell
from outfitswap_desktop.wiring import make_runner

HERE = Path(__file__).resolve().parent
OUTFITS = (
    ("camel wool", "black leather", "light blue denim", "white linen"),
    ("navy polka dot", "houndstooth wool", "floral cotton", "gold sequins"),
)


def drawn_mask() -> np.ndarray:
    """The hand-drawn outline of the suit (512, 512) 0/255."""
    labels = json.loads((HERE.parent / "tests/benchmarks/labels/astronaut.png.json").read_text(encoding="utf-8"))
    mask = np.zeros((512, 512), np.uint8)
    for ring in labels["persons"][0]["zones"]["dress"]:
        cv2.fillPoly(mask, [np.round(np.array(ring)).astype(np.int32)], 255)
    return mask


def main() -> None:
    """Write docs/images/demo.webp and docs/images/materials.webp."""
    with tempfile.TemporaryDirectory() as scratch, make_runner() as runner:
        folder = Path(scratch)
        answer = run_demo(runner, folder / "demo", report=lambda _now: None, cancel=CancelToken())
        sheets = {"demo": cv2.imread(answer["contact_sheet"])}
        source = runner.open_photo(demo_photo())
        rows = []
        for line in OUTFITS:
            cells = []
            for prompt in line:
                request = SwapRequest(demo_photo(), folder / f"{prompt}.png", prompt=prompt, zone=Zone.DRESS)
                outcome = runner.run(
                    request, source=source, mask=drawn_mask(), report=lambda _now: None, cancel=CancelToken()
                )
                cells.append(Cell(outcome.released, prompt))
            rows.append(cells)
        sheets["materials"] = runner.kernel.contact_sheet(rows).pixels[..., ::-1]
        for name, sheet in sheets.items():
            cv2.imwrite(str(HERE / "images" / f"{name}.webp"), sheet, [cv2.IMWRITE_WEBP_QUALITY, 88])


if __name__ == "__main__":
    main()
