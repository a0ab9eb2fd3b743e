"""Stripe's form encoding (`a[b][0][c]=d`) read into nested dictionaries and lists."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

_PART = re.compile(r"[^\[\]]+")


def read(encoded: str) -> dict[str, Any]:
    """The parameters of a query or a body. Values stay text; dictionaries whose keys count from 0 become lists."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        parts = _PART.findall(name)
        if not parts:
            continue
        if name.endswith("[]"):
            _descend(found, parts[:-1]).setdefault(parts[-1], []).append(value)
        else:
            _descend(found, parts[:-1])[parts[-1]] = value
    return {name: _lists(value) for name, value in found.items()}


def _descend(into: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    for part in parts:
        deeper = into.setdefault(part, {})
        into = deeper if isinstance(deeper, dict) else {}
    return into


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}


def truth(value: Any) -> bool:
    """A boolean parameter."""
    return str(value).lower() == "true"
