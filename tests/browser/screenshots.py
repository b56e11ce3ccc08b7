"""Photographs the page anew: references for the tests, and docs/pictures/page.png for the README.

python -m tests.browser.screenshots

It runs the browser tests' own fixtures, so what it needs is what they need.
"""

import os
import sys

import cv2
import pytest

from tests.browser.conftest import ROOT, SCREENSHOTS
from tests.browser.views import REFERENCES, RENEW, VIEWS, shrink

APPEARANCE = "tests/browser/test_appearance.py"
README_PICTURE = ROOT / "docs" / "pictures" / "page.png"
README_VIEW = "readme"
README_WIDTH = 1100


def main() -> int:
    os.environ[RENEW] = "1"
    for view in VIEWS:
        (SCREENSHOTS / f"{view.name}.png").unlink(missing_ok=True)
    status = pytest.main([str(ROOT / APPEARANCE), "-k", "looks_as_it_did", "--no-header", "-rs"])
    missing = [view.name for view in VIEWS if not (SCREENSHOTS / f"{view.name}.png").is_file()]
    if missing:
        print(f"no screenshot of {', '.join(missing)}; the lines above say why")
        return 1
    REFERENCES.mkdir(exist_ok=True)
    for view in VIEWS:
        pixels = cv2.imread(str(SCREENSHOTS / f"{view.name}.png"))
        cv2.imwrite(str(REFERENCES / f"{view.name}.png"), shrink(pixels))
    write_readme_picture()
    return int(status)


def write_readme_picture() -> None:
    pixels = cv2.imread(str(SCREENSHOTS / f"{README_VIEW}.png"))
    size = (README_WIDTH, round(len(pixels) * README_WIDTH / pixels.shape[1]))
    README_PICTURE.parent.mkdir(parents=True, exist_ok=True)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(README_PICTURE), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{README_PICTURE.relative_to(ROOT)}: {README_PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
