"""Structured logs on stderr, one JSON object a line; whatever names a person or opens a door is struck out before."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

STRUCK: Final = "[struck out]"
_NAMES: Final = re.compile(
    r"e.?mail|passw|token|secret|pepper|authori[sz]ation|cookie|dsn|(^|_)key($|_)|^to$", re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+")
_SECRETS: Final = re.compile(
    r"(?:sk|rk|whsec|pi|cs)_(?:live|test)?_?[A-Za-z0-9]{12,}|whsec_\w+|eyJ[\w-]+\.[\w-]+\.[\w-]+|OSW1-[\w-]+|://[^/\s:@]+:[^@\s]+@"
)


def strike_out(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: members named like secrets or addresses lose their value, texts lose what looks like one."""
    for name in list(event):
        event[name] = STRUCK if _NAMES.search(name) and event[name] else clean(event[name])
    return event


def clean(value: Any) -> Any:
    """`value` without addresses, tokens and keys, however deep they lie in it."""
    match value:
        case str():
            return _SECRETS.sub(STRUCK, _ADDRESS.sub(STRUCK, value))
        case dict():
            return {name: STRUCK if _NAMES.search(str(name)) and part else clean(part) for name, part in value.items()}
        case list() | tuple():
            return [clean(part) for part in value]
        case _:
            return value


def set_up(*, as_json: bool) -> None:
    """Have structlog and the standard library's loggers write to stderr, through one chain."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        strike_out,
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
