"""Puts ``tiny_run`` within reach of the tests here; it is a script too, for tests that need a process of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
