"""Takes out of shared libraries what the loader does not read: symbol tables, debug information, section headers.

    python dockerfiles/strip.py FOLDER

What `strip` of binutils does, which slim base images lack; and only where it is simple, since all that is loaded
lies before all that is not. Names that a library offers to others (.dynsym) are loaded, so they stay. NVIDIA's own
libraries stay as they came: they hold little that could go, and only a GPU would show that they still work.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
# The header's identification, type, machine, version, entry, offsets of segments and sections, flags, its own size,
# and of segments and sections the size of an entry and their number; last, the section with the sections' names.
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct(
    "<IIQQQQQQ"
)  # type, flags, offset, two addresses, bytes in the file, bytes in memory, alignment
UNTOUCHED = "nvidia"  # the folder of their wheels


def main() -> None:
    """Strip every library under a folder."""
    libraries = [
        path
        for path in Path(sys.argv[1]).rglob("*.so*")
        if path.is_file() and not path.is_symlink() and UNTOUCHED not in path.parts
    ]
    taken = sum(strip(path) for path in libraries)
    sys.stdout.write(f"strip: {taken / 1e6:.0f} MB out of {len(libraries)} libraries\n")


def strip(library: Path) -> int:
    """Cut a library behind the last byte that is loaded; how many bytes that took out."""
    with library.open("r+b") as file:
        start = file.read(HEADER.size)
        if not start.startswith(ELF_64_LITTLE_ENDIAN):
            return 0
        fields = list(HEADER.unpack(start))
        at_segments, num_segments = fields[5], fields[10]
        file.seek(at_segments)
        segments = file.read(num_segments * SEGMENT.size)
        ends = [offset + size for _, _, offset, _, _, size, _, _ in SEGMENT.iter_unpack(segments)]
        length = max(HEADER.size, at_segments + len(segments), *ends)
        before = file.seek(0, 2)
        if length >= before:
            return 0
        fields[6] = fields[12] = fields[13] = 0  # no sections: where they are, how many, which one names them
        file.seek(0)
        file.write(HEADER.pack(*fields))
        file.truncate(length)
    return before - length


if __name__ == "__main__":
    main()
