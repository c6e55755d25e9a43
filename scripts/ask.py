"""Asks the service about an evening of readings, and says what it answered: the end of the containers' demo.

    python scripts/ask.py [BUNDLE]

Standard library only. The service is API_URL, which Compose sets to that of api; API_KEY is the key it asks for, if any.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("API_URL", "http://api:8000")
# Three hours at a minute: the fridge, a kettle twice, a dishwasher's two heatings.
EVENING = [90, 95, 92] * 60
for minute, watts in [(20, 2900), (21, 2880), (95, 2910), *[(m, 2050) for m in (40, 41, 42, 43, 80, 81, 82)]]:
    EVENING[minute] += watts


def main() -> None:
    """Ask, and tell."""
    question = {"start": 1_717_264_800, "sample_period": 60, "power": EVENING}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("API_KEY"):
        headers["Authorization"] = f"Bearer {key}".encode().decode("latin-1")  # headers are sent in that
    request = urllib.request.Request(f"{URL}/v1/disaggregate", json.dumps(question).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"error: {URL} answers {error.code} {error.reason}: {error.read().decode()}")
    bundle = answer["bundle"]
    used = {name: found["energy_kwh"] for name, found in answer["appliances"].items()}
    used["other"] = answer["other"]["energy_kwh"]
    sys.stdout.write(f"{URL} answers with {bundle['name']}@{bundle['version']}:\n")
    for name, energy in used.items():
        sys.stdout.write(f"  {name:<18}{energy:6.2f} kWh\n")
    if sys.argv[1:] and bundle["name"] != sys.argv[1]:
        sys.exit(f"expected an answer of {sys.argv[1]}")


if __name__ == "__main__":
    main()
