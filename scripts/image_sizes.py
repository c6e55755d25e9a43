"""Prints the images' own layers over the base image beside what they may be; ends with 1 where one is too large.

    python scripts/image_sizes.py [NAME...]     api, cli, train, dev, tracking; all of them by default

Unpacked as the engine counts them, compressed as a registry holds them, in MB of a million bytes. TAG and
BASE_IMAGE as in .docker-env. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from typing import IO, Any

BASE = os.environ.get("BASE_IMAGE") or "python:3.11-slim"
TAG = os.environ.get("TAG") or "latest"
AT_MOST = {
    "api": (200, 300),
    "cli": (500, 300),
    "train": (950, 300),
    "dev": (1500, 400),
    "tracking": (650, 200),
}  # unpacked, compressed
MB = 1_000_000


def main() -> None:
    """Print the table, a line an image."""
    sys.stderr.write("each image's layers are compressed, as a registry keeps them: this takes minutes\n")
    sys.stdout.write(f"{'image':<8}{'unpacked':>10}{'at most':>9}{'compressed':>12}{'at most':>9}   MB\n")
    too_large = []
    for name in sys.argv[1:] or AT_MOST:
        found = own_sizes(f"energy-disaggregation-{name}:{TAG}")
        cells = [(size, most) for size, most in zip(found, AT_MOST[name], strict=True)]
        sys.stdout.write(
            f"{name:<8}{cells[0][0]:>10.0f}{cells[0][1]:>9}{cells[1][0]:>12.0f}{cells[1][1]:>9}\n"
        )
        sys.stdout.flush()
        if any(size > most for size, most in cells):
            too_large.append(name)
    if too_large:
        sys.exit(f"too large: {', '.join(too_large)}")


def own_sizes(image: str) -> tuple[float, float]:
    """An image's layers above the base's, unpacked and compressed, MB."""
    base, whole = inspect(BASE), inspect(image)
    num_base_layers = len(base["RootFS"]["Layers"])
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", image], stdout=saved, check=True)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            manifest = json.load(member(archive, "manifest.json"))
            layers = manifest[0]["Layers"][num_base_layers:]
            packed = sum(compressed(member(archive, layer)) for layer in layers)
    return (whole["Size"] - base["Size"]) / MB, packed / MB


def inspect(image: str) -> dict[str, Any]:
    """What the engine knows of an image."""
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"there is no image {image}: build it with `make -f Makefile.docker build`")
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of an archive."""
    found = archive.extractfile(name)
    assert found is not None
    return found


def compressed(layer: IO[bytes]) -> int:
    """The bytes that a layer takes under gzip at its usual level."""
    packer = zlib.compressobj(6)
    return sum(len(packer.compress(block)) for block in iter(lambda: layer.read(1 << 20), b"")) + len(
        packer.flush()
    )


if __name__ == "__main__":
    main()
