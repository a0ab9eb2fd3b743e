"""The window's languages: catalogues from resources/translations behind Qt's tr(), chosen by the user or by the system.

Texts are looked up when a widget is built, so another language shows from the next start on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, QTranslator
from PySide6.QtGui import QGuiApplication

from outfitswap_desktop import paths

SOURCE: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "zh": "简体中文",
    "ja": "日本語",
}
"""Language codes as settings keep them, with each language's own name."""

_OF_QT: Final = {"de": "qtbase_de", "es": "qtbase_es", "zh": "qtbase_zh_CN", "ja": "qtbase_ja"}
_LOCALES: Final = {"en": "en", "de": "de_DE", "es": "es_ES", "zh": "zh_CN", "ja": "ja_JP"}
_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "zh": ("Microsoft YaHei UI", "PingFang SC", "Noto Sans CJK SC", "Noto Sans SC"),
    "ja": ("Yu Gothic UI", "Hiragino Sans", "Noto Sans CJK JP", "Noto Sans JP"),
}
"""Fonts that draw Han characters as readers of that language know them; which one is there depends on the system."""


@dataclass(frozen=True, slots=True)
class Language:
    """What the window speaks: its code, and whether a machine translated it (settings say so)."""

    code: str
    machine_made: bool = False


class Catalogue(QTranslator):
    """One language's texts. "Context|source" wins over "source"; what is missing stays English."""

    def __init__(self, texts: Mapping[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._texts = dict(texts)

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str | None:
        """The translation, or None: Qt takes an empty text for a translation."""
        return self._texts.get(f"{context}|{source}") or self._texts.get(source) or None

    def isEmpty(self) -> bool:
        return not self._texts


def chosen(setting: str) -> str:
    """The language code for a setting: itself, or for "system" (and what is unknown) the system's first one that we have."""
    if setting in LANGUAGES:
        return setting
    for tag in QLocale.system().uiLanguages():
        code = tag.replace("_", "-").split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return SOURCE


def install(app: QGuiApplication, setting: str) -> Language:
    """Make the application speak the language of a setting. Call it before the first widget is built."""
    code = chosen(setting)
    QLocale.setDefault(QLocale(_LOCALES[code]) if setting in LANGUAGES else QLocale.system())
    if code == SOURCE:
        return Language(SOURCE)
    document = read(code)
    of_qt = QTranslator(app)
    if of_qt.load(_OF_QT[code], QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        QCoreApplication.installTranslator(of_qt)
    QCoreApplication.installTranslator(Catalogue(document.get("texts", {}), app))
    if code in _FAMILIES:
        font = app.font()
        font.setFamilies([*font.families(), *_FAMILIES[code]])
        app.setFont(font)
    return Language(code, machine_made=bool(document.get("machine_made", False)))


def read(code: str) -> dict[str, Any]:
    """The catalogue of a language as its file has it; an empty one, noted in the log, when that cannot be read."""
    try:
        found = json.loads(paths.resource(f"translations/{code}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        logging.getLogger(__name__).warning("no usable catalogue for %s", code, exc_info=True)
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("texts"), dict) else {}
