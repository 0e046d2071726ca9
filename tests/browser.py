"""Opens a page in headless Chromium and says what it thinks of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --v=0 --dump-dom
""".split()  # noqa: SIM905


def open_page(page: Path, profile: Path, width: int = 1100) -> tuple[str, list[str]]:
    """The page's DOM after loading and what was written to the console. Skips where there is no Chromium.

    No host name resolves in there, so a page that asks the network for anything shows an error.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("no chromium here: apt-get install chromium, or see .ci/run")
    command = [browser, *FLAGS, "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},2000"]
    command += [f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
