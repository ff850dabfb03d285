"""What of some requirements the running Python lacks: `python scripts/installed.py requirements.txt`.

Needs nothing but Python itself: it is asked before anything is installed. Prints a line for each package that
is missing or too old, and exits with 1 if there is one.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def lacking(requirements: Path) -> list[str]:
    """What is missing or too old, in words; a file named by `-r` counts, too."""
    found = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            found += lacking(requirements.parent / line.removeprefix("-r ").strip())
        elif line:
            name, _, least = line.partition(">=")
            found += lack(name.strip(), least.strip())
    return found


def lack(name: str, least: str) -> list[str]:
    """What is wrong with one package."""
    try:
        there = version(name)
    except PackageNotFoundError:
        return [f"{name} is missing"]
    return [] if numbers(there) >= numbers(least) else [f"{name} is {there}, needed is {least} or newer"]


def numbers(release: str) -> list[int]:
    """The leading numbers of a version, without zeros at the end: 2.11.0+cpu -> [2, 11]."""
    found = [int(part) for part in re.match(r"[\d.]*", release)[0].split(".") if part]
    while found and found[-1] == 0:
        found.pop()
    return found


if __name__ == "__main__":
    missing = lacking(Path(sys.argv[1]))
    print("\n".join(missing), end="\n" * bool(missing))
    sys.exit(bool(missing))
