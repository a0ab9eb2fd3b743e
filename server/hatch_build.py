"""Puts the server's rooms of the project's one package into the wheel; an editable install reads them where they lie."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "outfitswap_desktop"
ROOMS = ("__init__.py", "errors.py", "licensing/__init__.py", "licensing/wire", "server")


class ServerRooms(BuildHookInterface):
    """Not a table of pyproject.toml: that would copy the files into editable installs too, where they shadow the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        package = Path(self.root).parent / PACKAGE
        build_data["force_include"].update({str(package / room): f"{PACKAGE}/{room}" for room in ROOMS})
