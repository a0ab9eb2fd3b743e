"""The sentence that says what a comparison of photo and result has shown, and nothing beyond it."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale

from outfitswap_desktop.ui.result.difference import Counts


def sentence(counts: Counts | None, *, suffix: str, recorded: int | None, locale: QLocale) -> tuple[str, bool]:
    """What was counted on the pixels on show, and whether it is as promised.

    `suffix` of the result's file tells whether saving it lost anything; `recorded` is the receipt's number of changed pixels
    before it was saved. `counts` None: the sizes differ.
    """

    def say(text: str, **values: str) -> str:
        return text.format(**values)

    translate = QCoreApplication.translate
    if counts is None:
        return translate("Proof", "Photo and result differ in size: they cannot be compared."), False
    changed = locale.toString(counts.outside_changed)
    outside = locale.toString(counts.outside)
    name = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}.get(suffix.lower(), "")
    if not counts.has_mask:
        text = translate(
            "Proof",
            "{changed} of {all} pixels differ. The mask is not there any more, so nothing can be said of outside.",
        )
        return say(text, changed=changed, all=outside), False
    if counts.outside_changed == 0:
        text = translate("Proof", "Outside the mask 0 of {all} pixels differ: they are the photo's own, bit for bit.")
        if name:
            text = translate(
                "Proof",
                "Outside the mask 0 of {all} pixels differ in the picture shown. The {format} file itself was encoded anew and "
                "differs a little everywhere; export as PNG to keep every bit.",
            )
        return say(text, all=outside, format=name), True
    most = str(counts.outside_most)
    if name and recorded == 0:
        text = translate(
            "Proof",
            "{changed} of {all} pixels outside the mask differ, by {most} of 255 at most, because {format} encodes pixels "
            "anew. Before it was saved 0 differed; export as PNG to keep every bit.",
        )
        return say(text, changed=changed, all=outside, most=most, format=name), True
    text = translate("Proof", "{changed} of {all} pixels outside the mask differ, by {most} of 255 at most.")
    return say(text, changed=changed, all=outside, most=most), False
