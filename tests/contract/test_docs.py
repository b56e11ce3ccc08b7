"""Links, commands, modules and files named in the documentation exist."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE_BLOCK = re.compile(r"^\s*```.*?^\s*```", re.S | re.M)
LINK = re.compile(r"\]\(([^()\s]+)\)")
TARGET = re.compile(r"^([a-z0-9-]+):", re.M)
# `make` in code: prose uses the word for other things.
MAKE = re.compile(r"(?:`|^|&& )make ([a-z][a-z0-9-]*)", re.M)
MODULE = re.compile(r"python -m ((?:bench|fixtures|image|tests|tools|training)(?:\.\w+)*)")
BENCH = re.compile(r"\bBENCH=(\w+)")
# Names of files below our folders, and of tests, which pages also name without their folder.
FILE = re.compile(
    r"`((?:(?:align|bench|docs|events|fixtures|fuzz|handler|image|model_layer|requirements"
    r"|statemachine|tests|tools|training)/[\w./-]*\w|test_\w+)\.(?:py|md|ya?ml|txt|json|html))`"
)


def test_pages_are_found() -> None:
    assert {"README.md", "api.md", "deploy.md", "SECURITY.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
class TestPage:
    def test_links_lead_to_files_and_headings(self, page: Path) -> None:
        links = LINK.findall(CODE_BLOCK.sub("", page.read_text()))
        broken = [link for link in links if "://" not in link and not _link_works(page, link)]
        assert not broken

    def test_make_targets_exist(self, page: Path) -> None:
        targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
        assert not set(MAKE.findall(page.read_text())) - targets

    def test_modules_exist(self, page: Path) -> None:
        text = page.read_text()
        names = {*MODULE.findall(text), *(f"bench.{name}" for name in BENCH.findall(text))}
        assert not [name for name in names if not _module_exists(name)]

    def test_files_exist(self, page: Path) -> None:
        names = set(FILE.findall(page.read_text()))
        assert not [name for name in names if not _file_exists(name)]


def _link_works(page: Path, link: str) -> bool:
    path, _, heading = unquote(link).partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return False
    return not heading or heading in _anchors(target)


def _anchors(page: Path) -> set[str]:
    """GitHub's anchors: lower case, spaces as dashes, without punctuation."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _module_exists(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def _file_exists(name: str) -> bool:
    if "/" in name:
        return (ROOT / name).is_file()
    return any((ROOT / "tests").rglob(name))
