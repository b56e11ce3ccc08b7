"""Puts Chromium where the browser tests look for it; does nothing where it is.

python -m tests.browser.install_chromium
"""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Inter stands in for a desktop's own sans serif, which a container lacks.
PACKAGES = ("chromium", "fonts-inter")


def find_chromium() -> str | None:
    """The browser's path: what CHROMIUM names, or the first of the usual names on the PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def install() -> str:
    """The browser's path, after installing Debian's package where there is none.

    Raises SystemExit that says what to do where it cannot be installed from here.
    """
    found = find_chromium()
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit("Install Chromium (as root: apt-get install chromium), or set CHROMIUM.")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True)
    found = find_chromium()
    if not found:
        raise SystemExit("apt-get installed Chromium, but it is not on the PATH; set CHROMIUM.")
    return found


if __name__ == "__main__":
    print(install())
