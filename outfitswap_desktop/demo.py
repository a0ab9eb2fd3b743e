"""The main job on a photo that comes with a package we depend on: NASA's portrait of the astronaut Eileen Collins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outfitswap_desktop.core.job import CancelToken, Progress, Report, SwapRequest
from outfitswap_desktop.errors import Cancelled, NotAvailable, UsageProblem
from outfitswap_desktop.paths import sample_photo
from outfitswap_desktop.runner import Runner
from outfitswap_desktop.safety.api import Cell

OUTFITS = (
    ("navy-pinstripe", "navy pinstripe wool"),
    ("emerald-velvet", "emerald velvet"),
    ("red-tartan", "red and green tartan flannel"),
    ("burgundy-corduroy", "burgundy corduroy"),
)
CONSENT = "licensed: NASA photograph, public domain"


def demo_photo() -> Path:
    """The astronaut photo (512 x 512, public domain) inside the scikit-image package; raises NotAvailable."""
    path = sample_photo()
    if path is None:
        raise NotAvailable(
            "The demo's photo is missing from the scikit-image package.",
            reason="demo_photo_missing",
            hint="Reinstall with uv sync --reinstall-package scikit-image, or use `outfitswap swap` on a photo of yours.",
        )
    return path


def run_demo(runner: Runner, folder: Path, *, report: Report, cancel: CancelToken) -> dict[str, Any]:
    """Swap the demo's outfits; writes before, mask and after pictures and a contact sheet below `folder`."""
    photo = demo_photo()
    content = photo.read_bytes()
    runner.open_photo(content)  # judged before a copy of it is laid out
    with runner.tidy(folder / "before.png"):
        before = _lay_out(runner, content, folder / "before.png")
    source = runner.open_photo(before)
    cells = [Cell(runner.kernel.view(source), "before")]
    results = []
    for number, (name, prompt) in enumerate(OUTFITS):
        share = number / len(OUTFITS)

        def part(now: Progress, share: float = share, prompt: str = prompt) -> None:
            report(Progress(now.stage, share + now.fraction / len(OUTFITS), prompt))

        request = SwapRequest(
            photo=before, output=folder / f"after-{name}.png", prompt=prompt, consent=CONSENT, adult_attested=True
        )
        try:
            outcome = runner.run(request, source=source, report=part, cancel=cancel)
        except Cancelled:
            raise Cancelled(f"Cancelled: {number} of {len(OUTFITS)} outfits are done, in {folder}.") from None
        results.append({"prompt": prompt, **outcome.as_json()})
        cells.append(Cell(outcome.released, prompt))
    sheet = runner.write_sheet([cells], folder / "contact-sheet.png", title="OutfitSwap demo: only the clothes change")
    report(Progress("save", 1.0))
    return {"before": str(before), "results": results, "contact_sheet": str(sheet)}


def _lay_out(runner: Runner, photo: bytes, before: Path) -> Path:
    """Write the demo's photo; raises UsageProblem when another picture of that name is there, for it may be the user's."""
    place = runner.place(before)
    try:
        taken = before.read_bytes() != photo
    except FileNotFoundError:
        taken = False
    except OSError as problem:
        raise NotAvailable(
            f"{before} cannot be read: {problem.strerror}.", reason="unreadable", hint="Choose another folder with -o."
        ) from problem
    if taken:
        raise UsageProblem(
            f"{before} is there and is not the demo's photo; it is not written over.",
            reason="over_other_file",
            hint="Choose another folder with -o.",
        )
    runner.write([(place, photo)])
    return place.final
