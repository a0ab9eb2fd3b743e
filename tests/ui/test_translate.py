"""The catalogues are complete, keep placeholders, and are what the window speaks."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QLocale, QObject, QTranslator

from outfitswap_desktop.ui import translate

ROOT = Path(__file__).resolve().parents[2]


def load_script():
    spec = importlib.util.spec_from_file_location("translations", ROOT / "docs" / "translations.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


script = load_script()
FOUND = script.extract()


@pytest.fixture
def speaking(qapp):
    """Installs a catalogue and takes it out again."""
    installed = []

    def speak(texts):
        catalogue = translate.Catalogue(texts)
        QCoreApplication.installTranslator(catalogue)
        installed.append(catalogue)

    yield speak
    for catalogue in installed:
        QCoreApplication.removeTranslator(catalogue)


@pytest.fixture
def restored(qapp):
    font, locale = qapp.font(), QLocale()
    yield qapp
    for translator in qapp.findChildren(QTranslator):
        QCoreApplication.removeTranslator(translator)
        translator.deleteLater()
    qapp.setFont(font)
    QLocale.setDefault(locale)


def test_every_text_is_a_literal():
    assert FOUND.computed == []
    assert len(FOUND.texts) > 300


@pytest.mark.parametrize("code", script.CODES)
def test_a_catalogue_has_every_text_and_no_other(code):
    wrong = script.problems(code, FOUND.texts, script.load(code))
    assert wrong == [], "run: uv run python docs/translations.py --fill, and translate what is empty"


@pytest.mark.parametrize("code", script.CODES)
def test_a_catalogue_says_that_a_machine_made_it(code):
    assert script.load(code)["machine_made"] is True


@pytest.mark.parametrize("code", script.CODES)
def test_shortcuts_and_wild_cards_stay_as_they_are(code):
    for source, said in script.load(code)["texts"].items():
        for word in ("Ctrl+O", "Ctrl+V", "Ctrl+K", "Ctrl+Return", "(*.zip)", "(*.png)"):
            here = word.replace("Ctrl", "Strg") if code == "de" else word  # as German keyboards say it
            assert (word in source) == (here in said), source
        assert source.count("\n") == said.count("\n"), source


@pytest.mark.parametrize("code", ["de", "es"])
def test_mnemonics_stay_where_there_are_letters_for_them(code):
    for source, said in script.load(code)["texts"].items():
        assert source.replace("&&", "").count("&") == said.replace("&&", "").count("&"), source


def test_what_the_script_finds_wrong():
    texts = {"Open {name}": ["ui/x.py:1"], "Close": ["ui/x.py:2"]}
    good = {"language": "de", "machine_made": True, "texts": {"Open {name}": "{name} öffnen", "Close": "Schließen"}}
    assert script.problems("de", texts, good) == []
    assert script.problems("de", texts, {**good, "texts": {**good["texts"], "Window|Close": "Zu"}}) == []
    for texts_of, part in (
        ({"Close": "Zu"}, "missing: 'Open {name}'"),
        ({"Open {name}": "", "Close": "Zu"}, "missing: 'Open {name}'"),
        ({**good["texts"], "Away": "Weg"}, "nobody says: 'Away'"),
        ({**good["texts"], "Open {name}": "{nam} öffnen"}, "other placeholders"),
        ({**good["texts"], "Open {name}": "{name öffnen"}, "other placeholders"),
    ):
        wrong = script.problems("de", texts, {**good, "texts": texts_of})
        assert [part in line for line in wrong] == [True], wrong
    assert len(script.problems("es", texts, good)) == 1


def test_the_script_reads_calls_and_reports_what_is_no_literal(tmp_path):
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "page.py").write_text(
        'self.tr("One " "text")\nQCoreApplication.translate("Context", "Two")\nself.tr(f"three {x}")\n'
        'super().translate(context, source)\nQCoreApplication.translate("Context", name)\nself.tr("")\n'
        'say("Four")\nwindow.say("not this")\nQCoreApplication.translate("Terms", line)\n'
    )
    found = script.extract(tmp_path)
    assert {text for text, where in found.texts.items() if where != ["Qt"]} == {"One text", "Two", "Four"}
    assert found.computed == ["ui/page.py:3", "ui/page.py:5"]


def test_lookup_by_context_first_and_english_for_the_rest(speaking):
    class Window(QObject):
        def words(self):
            return self.tr("Open"), self.tr("Close"), self.tr("Nothing known")

    speaking({"Open": "Öffnen", "Window|Open": "Auf", "Close": "Zu", "Empty": ""})
    assert Window().words() == ("Auf", "Zu", "Nothing known")
    assert QCoreApplication.translate("Other", "Open") == "Öffnen"
    assert QCoreApplication.translate("Other", "Empty") == "Empty"


@pytest.mark.parametrize("code", script.CODES)
def test_the_program_speaks_the_language_of_its_setting(restored, code):
    language = translate.install(restored, code)
    assert language == translate.Language(code, machine_made=True)
    assert QCoreApplication.translate("SettingsDialog", "Settings") == script.load(code)["texts"]["Settings"]
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") == script.load(code)["texts"]["Cancel"]
    assert QCoreApplication.translate("QFileDialog", "Directory:") != "Directory:", "Qt's own catalogue"


def test_english_needs_no_catalogue(restored):
    assert translate.install(restored, "en") == translate.Language("en")
    assert QCoreApplication.translate("X", "Settings") == "Settings"


def test_japanese_and_chinese_name_fonts_with_their_own_forms(restored):
    translate.install(restored, "ja")
    assert "Noto Sans CJK JP" in restored.font().families()
    assert "Noto Sans CJK SC" not in restored.font().families()


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (["de-AT", "en"], "de"),
        (["zh-Hant-TW", "zh"], "zh"),
        (["fr-FR", "es-MX"], "es"),
        (["fr-FR"], "en"),
        (["en-GB", "de"], "en"),
        ([], "en"),
    ],
)
def test_the_system_chooses_its_first_language_that_we_have(monkeypatch, tags, code):
    class System:
        @staticmethod
        def uiLanguages():
            return tags

    monkeypatch.setattr(translate.QLocale, "system", staticmethod(System))
    assert translate.chosen("system") == code
    assert translate.chosen("tlh") == code
    assert translate.chosen("ja") == "ja"


def test_a_damaged_catalogue_leaves_english(restored, monkeypatch, tmp_path, caplog):
    (tmp_path / "translations").mkdir()
    (tmp_path / "translations" / "de.json").write_text("{not json")
    monkeypatch.setattr(translate.paths, "resources_dir", lambda: tmp_path)
    assert translate.install(restored, "de") == translate.Language("de")
    assert QCoreApplication.translate("X", "Settings") == "Settings"
    assert "no usable catalogue" in caplog.text


def test_the_first_modules_of_the_window_load_nothing_heavy():
    code = (
        "import sys, outfitswap_desktop.ui.theme, outfitswap_desktop.ui.icons, outfitswap_desktop.ui.translate, "
        "outfitswap_desktop.ui.pages.start, outfitswap_desktop.store.settings\n"
        "print([m for m in ('numpy', 'cv2', 'PIL', 'sqlite_utils', 'PySide6.QtSvg', 'PySide6.QtNetwork', 'torch')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
