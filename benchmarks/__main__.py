"""Run the benchmarks, each in a process of its own, and put their tables into docs/performance.md.

    python -m benchmarks [NAME ...] [-- OPTIONS]

A benchmark is a file of this folder that prints a Markdown table; the first line of its docstring is its
title. The table stands between two markers in the page, so text around it and tables of benchmarks that
did not run stay as they are. Options are the benchmark's own, and stand in the page.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "performance.md"
INTRODUCTION = """# Speed and memory

Written by `make bench`: each table is one run of a script in `benchmarks/`, and ratios are between things
measured in that run, on the same cores.
"""


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def processor() -> str:
    """The processor's name where the system tells it."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found[1] if found else platform.machine()


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def section(name: str, options: list[str], table: str) -> str:
    """A benchmark's part of the page, with what a number needs to be believed."""
    source = (HERE / f"{name}.py").read_text(encoding="utf-8")
    title = (ast.get_docstring(ast.parse(source)) or name).splitlines()[0]
    where = f"{os.cpu_count()} cores of {processor()}, Python {platform.python_version()}"
    when = f"{datetime.now(tz=UTC):%Y-%m-%d}, commit {commit()}"
    command = " ".join(["python", f"benchmarks/{name}.py", *options])
    note = f"`{command}`; {when}; {where}."
    return f"<!-- {name}: begin -->\n## {name}\n\n{title}\n\n{table}\n\n{note}\n<!-- {name}: end -->\n"


def with_section(page: str, name: str, text: str) -> str:
    """The page with this benchmark's part in its place, or at the end where it had none."""
    pattern = re.compile(rf"<!-- {name}: begin -->.*?<!-- {name}: end -->\n", flags=re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: text, page)
    return f"{page}\n{text}"


def main() -> int:
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    wanted, options = given[:end] or names(), given[end + 1 :]
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there is {', '.join(names())}", file=sys.stderr)
        return 2
    failed = []
    for name in wanted:
        print(f"bench: {name}", flush=True)
        run = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py"), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if run.returncode:
            failed.append(name)
            continue
        print(run.stdout, flush=True)
        page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else INTRODUCTION
        PAGE.write_text(
            with_section(page, name, section(name, options, run.stdout.strip())), encoding="utf-8"
        )
    if failed:
        print(f"bench: failed: {', '.join(failed)}; the others stand in {PAGE}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
