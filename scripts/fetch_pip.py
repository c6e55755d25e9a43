"""Fetch a wheel of pip into a folder and print its path, for a Python that came without pip.

Debian's python3 has neither pip nor ensurepip, and a wheel of pip runs as it is: ``python pip.whl/pip``.
It looks where pip itself would: the folders of PIP_FIND_LINKS, then the index of PIP_INDEX_URL, else PyPI.
It does not read pip's configuration files. Standard library only.

    python fetch_pip.py VERSION FOLDER
"""

from __future__ import annotations

import hashlib
import html
import os
import re
import ssl
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urldefrag, urljoin

PYPI = "https://pypi.org/simple"


def read(url: str) -> bytes:
    """What lies at this address."""
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    with urllib.request.urlopen(url, timeout=30, context=context) as answer:
        content: bytes = answer.read()
        return content


def on_disk(name: str) -> Path | None:
    """The wheel in a folder of PIP_FIND_LINKS."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)


def from_index(name: str, folder: Path) -> Path:
    """The wheel from the index, in ``folder``, with the hash that the index gives."""
    page = os.environ.get("PIP_INDEX_URL", PYPI).rstrip("/") + "/pip/"
    links = re.findall(r'href="([^"]+)"', read(page).decode())
    link = next((html.unescape(link) for link in links if f"/{name}#" in f"/{link}"), None)
    if link is None:
        sys.exit(f"{page} offers no {name}")
    url, fragment = urldefrag(urljoin(page, link))
    content = read(url)
    if fragment != f"sha256={hashlib.sha256(content).hexdigest()}":
        sys.exit(f"{url} is not what its index says: expected {fragment or 'a sha256'}; try again")
    target = folder / name
    target.write_bytes(content)
    return target


def main() -> None:
    """Write the wheel's path to standard output, or end with one line on standard error."""
    version, folder = sys.argv[1], Path(sys.argv[2])
    name = f"pip-{version}-py3-none-any.whl"
    try:
        path = on_disk(name) or from_index(name, folder)
    except OSError as error:
        sys.exit(f"pip could not be fetched: {error}")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
