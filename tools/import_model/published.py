"""FaceNet's published weights by name: where they are, and how to know them.

An address that a program can read, its digest where a public source states one, and for
20180402-114759 the embedding of a fixed input, which decides in any case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_layer.files import sha256_of
from tools.import_model.errors import ImportFailed
from tools.import_model.fetch import download

KERAS = "https://github.com/faustomorales/keras-facenet/releases/download/v0.3.1"
TORCH = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
DEEPFACE = "https://github.com/serengil/deepface_models/releases/download/v1.0"
# The reference is stated to six decimals; wrong weights miss it by a hundredth and more.
TOLERANCE = 1e-4
REFERENCE_SIZE = 160
# Standardized chips [N,S,S,3] -> unit vectors [N,D].
Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Address:
    """Where a file is. sha256: None where nobody states it."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class Release:
    """Weights that their author published.

    reference: the first numbers of the embedding of `reference_input`; None where not known.
    """

    name: str
    addresses: tuple[Address, ...]
    digests: frozenset[str]
    reference: tuple[float, ...] | None = None


# Digests: keras_facenet/metadata.py of faustomorales/keras-facenet, which also states those of the
# author's own files. That of the .pt is stated by several projects that pin it.
VGGFACE2 = Release(
    "20180402-114759",
    (
        Address(
            f"{TORCH}/20180402-114759-vggface2.pt",
            "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        ),
        Address(
            f"{KERAS}/20180402-114759-weights.h5",
            "8b71e7045497e841c00ee568f031d1a4d30908fceadf6884aef2dec4d545202b",
        ),
        Address(
            f"{KERAS}/20180402-114759.zip",
            "669f37d3954b72b53121ff0638ca5bb8b14309bfe4767fe6bd851eee75f1f0de",
        ),
        Address(f"{DEEPFACE}/facenet512_weights.h5"),
    ),
    frozenset(
        {
            "c99bfb20ca9959afb7bb83a1a6f4b7fc65bacf471c7f945c15a39881057a56be",  # .h5, whole
            "bf2c12f31880aaa865fa5a9c168dcbd619f7a40b1633f6446d416fac2421ab99",  # .pb
        }
    ),
    (0.023061, 0.006832, -0.059693, 0.043314, 0.000663, 0.082477, -0.061489, 0.050746),
)
CASIA = Release(
    "20180408-102900",
    (
        Address(
            f"{KERAS}/20180408-102900-weights.h5",
            "af526097bd89ff84dda94dc071ff39c4cf39922cf0a9d9dea652853cda9616be",
        ),
        Address(
            f"{KERAS}/20180408-102900.zip",
            "2a32a4d6b797b0e35e065c674dfa2d60e9eb2372aa10728bd0b221abe12490ac",
        ),
    ),
    frozenset(
        {
            "23cdb7f96553c3baa32fbb4f96aaa398a721ea26cd49de5a72c9beea6150d13e",  # .h5, whole
            "272568219fa6505371ceed76dca6b3925ef69b54962709cf76f763e9d8bf4cfb",  # .pb
        }
    ),
)
RELEASES = {release.name: release for release in (VGGFACE2, CASIA)}
NAMES = {"facenet": VGGFACE2} | {
    f"facenet-{name}": release
    for release in (VGGFACE2, CASIA)
    for name in (release.name, release.name[:8])
}


def release_named(source: str) -> Release | None:
    """The release that a command asks for by name; a file or folder of that name goes first."""
    return None if Path(source).exists() else NAMES.get(source)


def fetch_release(release: Release, work: Path, max_bytes: int) -> tuple[str, Path]:
    """Address and local copy of the first file that can be downloaded and has its digest.

    Raises ImportFailed, with what each address answered, where there is none.
    """
    answers = []
    for address in release.addresses:
        target = work / address.url.rpartition("/")[2]
        try:
            path = download(address.url, target, max_bytes)
            _check_digest(path, address)
        except ImportFailed as exc:
            answers.append(str(exc))
            continue
        return address.url, path
    listed = "".join(f"\n  {answer}" for answer in answers)
    raise ImportFailed(
        f"no address of {release.name} gives its weights:{listed}\nOn a machine that reaches one "
        "of them, download the file and give it here with --offline FILE"
    )


def _check_digest(path: Path, address: Address) -> None:
    if address.sha256 and sha256_of(path) != address.sha256:
        path.unlink()
        raise ImportFailed(f"{address.url} has another SHA-256 than {address.sha256}; not used")


def check_offline(release: Release, path: Path) -> None:
    """Refuses a file that nothing can tell from wrong weights: no reference and no known digest."""
    known = release.digests | {address.sha256 for address in release.addresses}
    if release.reference is None and (not path.is_file() or sha256_of(path) not in known):
        raise ImportFailed(
            f"{path.name} has none of the digests stated for {release.name}, and no embedding of "
            "it is known to check by; import it under a name of its own: give the file as the "
            "source, with --id"
        )


def reference_input() -> NDArray[np.float32]:
    """float32 [1,160,160,3]: numbers from -1 to 1 in the order channel, row, column."""
    numbers = np.linspace(-1, 1, 3 * REFERENCE_SIZE**2, dtype=np.float64)
    planes = numbers.reshape(1, 3, REFERENCE_SIZE, REFERENCE_SIZE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1), np.float32)


def is_release(release: Release, embed: Embed, size: int) -> bool | None:
    """Whether a network answers the fixed input as the release does.

    None where that cannot be asked: the release has no reference, or the network another size.
    """
    if release.reference is None or size != REFERENCE_SIZE:
        return None
    found = embed(reference_input())[0, : len(release.reference)]
    close = found.shape == (len(release.reference),)
    return bool(close and np.abs(found - np.asarray(release.reference)).max() <= TOLERANCE)


def check_release(release: Release, embed: Embed, size: int, path: Path) -> None:
    """Raises ImportFailed where the network is known not to be the release."""
    if is_release(release, embed, size) is False:
        raise ImportFailed(
            f"{path.name} does not hold the weights of {release.name}: its embedding of a fixed "
            "input is another. Download the file again, or import it with an --id of its own"
        )
