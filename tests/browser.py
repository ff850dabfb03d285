"""Debian's Chromium without a screen, for tests of the pages; `python -m tests.browser` says if they run."""

import shutil
import sys
from importlib.util import find_spec

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()  # without the network ones, Chromium calls home
NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "chromedriver": ("chromedriver",)}


def program(kind: str) -> str | None:
    """Path of the browser or its driver, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES[kind])), None)


def lacking() -> str:
    """What the tests in a browser lack here, "" if nothing."""
    missing = [kind for kind in NAMES if not program(kind)] + ["selenium"] * (find_spec("selenium") is None)
    return f"no {' and no '.join(missing)}" if missing else ""


def open_browser():
    """A browser that loads files; whoever opens it calls `quit`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(program("chromedriver")))


def main(arguments: list[str]) -> None:
    """Print the line with which scripts/test.sh ends; `quick` leaves the tests out."""
    why = "they are slow" if "quick" in arguments else lacking()
    print(f"browser tests: {f'not run ({why})' if why else 'run'}")


if __name__ == "__main__":
    main(sys.argv[1:])
