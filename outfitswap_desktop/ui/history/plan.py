"""How an engine ran, in lines: what a receipt's plan says of recipe, precision, size, steps and controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QLocale

translate = QCoreApplication.translate
_HASH_SHOWN: Final = 12


def plan_lines(plan: Mapping[str, Any], locale: QLocale) -> tuple[str, ...]:
    """One line for each thing that a plan (`made.plan` of a receipt) says and a user can use; what is odd is left out."""
    found = (
        _named(translate("Plan", "Recipe: {name}"), plan.get("recipe")),
        _named(translate("Plan", "Mode: {name}"), _mode(plan.get("mode"))),
        _size(plan.get("size"), locale),
        _number(translate("Plan", "Steps: {number}"), plan.get("steps"), locale),
        _number(translate("Plan", "Guidance: {number}"), plan.get("guidance"), locale),
        _number(translate("Plan", "Strength: {number}"), plan.get("strength"), locale),
        _named(translate("Plan", "Controls: {name}"), ", ".join(_controls(plan.get("controls"), locale))),
        _number(translate("Plan", "Garment picture: weight {number}"), _garment_weight(plan.get("garment")), locale),
        _batch(plan.get("batch"), locale),
        _named(translate("Plan", "Precision: {name}"), plan.get("precision")),
        _named(translate("Plan", "Ran on: {name}"), plan.get("device")),
        translate("Plan", "The picture was put together in tiles, to save memory.")
        if _is_on(plan.get("tiled"))
        else "",
        translate("Plan", "Parts of the engine waited outside the card, to save memory.")
        if _is_on(plan.get("offload"))
        else "",
        *_weights(plan.get("weights")),
    )
    return tuple(line for line in found if line)


def _named(line: str, name: object) -> str:
    return line.format(name=name) if isinstance(name, str) and name else ""


def _number(line: str, value: object, locale: QLocale) -> str:
    return line.format(number=_shown(value, locale)) if _is_number(value) else ""


def _size(size: object, locale: QLocale) -> str:
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_is_number, size)):
        return ""
    width, height = (_shown(side, locale) for side in size)
    return translate("Plan", "Painted at {width} × {height} pixels").format(width=width, height=height)


def _batch(count: object, locale: QLocale) -> str:
    many = isinstance(count, int) and not isinstance(count, bool) and count > 1
    return (
        translate("Plan", "Painted together with its variations: {number} in all").format(number=_shown(count, locale))
        if many
        else ""
    )


def _controls(controls: object, locale: QLocale) -> Iterable[str]:
    """Names, or names with their weights; a receipt has either."""
    if isinstance(controls, Mapping):
        controls = [{"name": name, "weight": weight} for name, weight in controls.items()]
    for one in controls if isinstance(controls, list | tuple) else ():
        name, weight = (one.get("name"), one.get("weight")) if isinstance(one, Mapping) else (one, None)
        if isinstance(name, str):
            yield f"{name} {_shown(weight, locale)}" if _is_number(weight) else name


def _garment_weight(garment: object) -> object:
    return garment.get("weight") if isinstance(garment, Mapping) else None


def _weights(weights: object) -> Iterable[str]:
    """A line for each set of weights, with the beginning of its revision or hash."""
    for name, mark in weights.items() if isinstance(weights, Mapping) else ():
        yield translate("Plan", "Weights: {name} {mark}").format(name=name, mark=str(mark or "")[:_HASH_SHOWN]).strip()


def _mode(mode: object) -> str:
    names = {
        "quality": translate("Plan", "Best quality"),
        "balanced": translate("Plan", "Balanced"),
        "fast": translate("Plan", "Fast"),
    }
    return names.get(mode, mode) if isinstance(mode, str) else ""


def _is_on(value: object) -> bool:
    return bool(value) and value not in ("no", "none")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any, locale: QLocale) -> str:
    """A number as the user's language writes it, with two decimals at most and no groups: sizes are read as pixels."""
    plain = QLocale(locale)
    plain.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    return plain.toString(round(float(value), 2), "f", QLocale.FloatingPointPrecisionOption.FloatingPointShortest.value)
