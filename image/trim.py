"""Removes from site-packages what the function never reads; run while the image is built.

    python trim.py /opt/venv/lib/python3.11/site-packages

Kept on purpose: every *.dist-info (licences, and what a scanner reads), botocore's data for the
services that the function calls. The figures of each step: bench/cold_start.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

# Services whose models botocore has to find: the handler calls S3 and S3 Vectors; STS and
# SSO serve credentials when the image runs outside Lambda.
BOTOCORE_SERVICES = frozenset({"s3", "s3vectors", "sts", "sso", "sso-oidc"})
TEST_FOLDERS = frozenset({"tests", "test", "testing_data"})
# numpy.testing and friends are imported by the packages themselves; their tests are not.
UNUSED_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h", ".hpp", ".a", ".lib", ".cmake")
UNUSED = (
    "cv2/data",  # Haar cascades; detection is MTCNN
    "cv2/gapi",
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",  # opened only when a GPU is asked for
    "ai_edge_litert/libLiteRt.so",  # of the CompiledModel interface; the interpreter has its own
    "ai_edge_litert/vendors",  # compilers for phones' accelerators
    "ai_edge_litert/aot",
    "boto3/examples",
    "numpy/_core/include",
    "numpy/f2py",
    "numpy/doc",
    "tensorflow/include",
    "bin",
)


def main(arguments: list[str]) -> int:
    """Trims the folder given and prints how much went, by kind."""
    site = Path(arguments[0])
    if site.name != "site-packages":
        raise SystemExit(f"{site} is not a site-packages folder")
    before = tree_size(site)
    for label, paths in (
        ("botocore services", unused_services(site)),
        ("tests", test_folders(site)),
        ("headers and stubs", unused_files(site)),
        ("parts never imported", (site / name for name in UNUSED)),
        ("NumPy's test modules", (site / "numpy/_core").glob("*_tests.*.so")),
        ("NumPy's test of SIMD", (site / "numpy/_core").glob("_simd.*.so")),
        ("typing_extensions", typing_extensions(site)),
    ):
        print(f"{label}: {remove(paths) / 1e6:.1f} MB")
    print(f"site-packages: {before / 1e6:.0f} -> {tree_size(site) / 1e6:.0f} MB")
    return 0


def unused_services(site: Path) -> list[Path]:
    """Models of AWS services that the function never calls, botocore's and boto3's."""
    return [
        folder
        for data in (site / "botocore/data", site / "boto3/data")
        for folder in sorted(data.glob("*/"))
        if folder.is_dir() and folder.name not in BOTOCORE_SERVICES
    ]


def typing_extensions(site: Path) -> list[Path]:
    """The module, where TensorFlow is not there to need it: others do with `typing` of 3.11.

    msgspec takes it where it finds it, which costs each start 5 ms.
    """
    return [] if (site / "tensorflow").is_dir() else [site / "typing_extensions.py"]


def test_folders(site: Path) -> list[Path]:
    """Packages' own tests, but for those of TensorFlow, whose modules import each other."""
    return [
        folder
        for folder in sorted(site.rglob("*"))
        if folder.name in TEST_FOLDERS
        and folder.is_dir()
        and folder.relative_to(site).parts[0] not in {"tensorflow", "keras"}
    ]


def unused_files(site: Path) -> list[Path]:
    """Sources, headers and type stubs."""
    return [path for path in sorted(site.rglob("*")) if path.name.endswith(UNUSED_SUFFIXES)]


def remove(paths: Iterable[Path]) -> int:
    """Removes files and trees; how many bytes went."""
    freed = 0
    for path in paths:
        if path.is_dir():
            freed += tree_size(path)
            shutil.rmtree(path)
        elif path.exists():
            freed += path.stat().st_size
            path.unlink()
    return freed


def tree_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
