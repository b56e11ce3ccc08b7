"""A package that is not installed is named, with what installs it."""

import pytest

from tools.needs import packages_of


def test_missing_package_is_named_with_the_target_that_brings_it() -> None:
    words = r"no_such_package is not installed; `make collect ARGS=--help`"
    with pytest.raises(SystemExit, match=words), packages_of("collect"):
        import no_such_package  # noqa: F401


def test_installed_packages_are_simply_imported() -> None:
    with packages_of("collect"):
        import json
    assert json.loads("1") == 1
