"""Writes events/pictures: public-domain portraits, and second views made by re-photographing them.

The sources come with two published wheels: scikit-image's `astronaut.png` (Eileen Collins, NASA)
and matplotlib's `grace_hopper.jpg` (US Navy). To write the pictures again:

    uv run --with scikit-image python -m tools.make_pictures

or, without installing it, `--astronaut` names the PNG or a scikit-image wheel that holds it.
"""

import argparse
import importlib.util
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

PICTURES = Path(__file__).resolve().parent.parent / "events" / "pictures"
ASTRONAUT = "skimage/data/astronaut.png"
HOPPER = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"
MAX_BYTES = 60_000


@dataclass(frozen=True)
class Retake:
    """How a picture is photographed again: degrees, scale, gain per channel (BGR), JPEG quality."""

    angle: float
    scale: float
    gain: tuple[float, float, float]
    quality: int


@dataclass(frozen=True)
class Subject:
    """A person's picture: where the face is (left, top, right, bottom) and the second view."""

    name: str
    face: tuple[int, int, int, int]
    retake: Retake


# Faces as the original MTCNN cascade boxes them, with the 44 pixels of margin that the UAI packer
# adds (22 on each side).
EILEEN = Subject("eileen_collins", (158, 39, 290, 195), Retake(7.0, 0.86, (0.58, 0.66, 0.72), 72))
GRACE = Subject("grace_hopper", (119, 66, 308, 300), Retake(-6.0, 0.9, (0.74, 0.68, 0.62), 72))


def installed(path: str) -> Path | None:
    """The file at `path` inside an installed package, or None where the package is absent."""
    package, _, rest = path.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / rest
    return found if found.is_file() else None


def read_source(path: Path, member: str) -> Pixels:
    """BGR pixels of a picture file, or of the `member` of a wheel."""
    data = zipfile.ZipFile(path).read(member) if path.suffix == ".whl" else path.read_bytes()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} is not a picture that OpenCV reads")
    return np.asarray(pixels, np.uint8)


def scaled(pixels: Pixels, factor: float) -> Pixels:
    resized = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def retake_matrix(pixels: Pixels, retake: Retake) -> npt.NDArray[np.float64]:
    """The affine map [2,3] from the first picture to the second: a turn about the centre."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), retake.angle, retake.scale)
    shift = np.array([width, height], np.float64) * (1 - retake.scale) / 2
    return np.column_stack([matrix[:, :2], matrix[:, 2] - shift])


def rephotograph(pixels: Pixels, retake: Retake) -> Pixels:
    """The picture as a camera would see a print of it: turned, smaller, darker, soft and noisy."""
    height, width = (round(side * retake.scale) for side in pixels.shape[:2])
    turned = cv2.warpAffine(
        pixels,
        retake_matrix(pixels, retake),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    soft = cv2.GaussianBlur(turned, (0, 0), 0.7).astype(np.float32)
    noise = np.random.default_rng(2018).normal(0.0, 2.0, soft.shape)
    shaded = np.rint(soft * np.array(retake.gain) + noise)
    return np.asarray(np.clip(shaded, 0, 255), np.uint8)


def crop_face(pixels: Pixels, box: tuple[int, int, int, int], size: int = 160) -> Pixels:
    left, top, right, bottom = box
    crop = cv2.resize(pixels[top:bottom, left:right], (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def retaken_box(pixels: Pixels, subject: Subject) -> tuple[int, int, int, int]:
    """The subject's face in the second view: the same box about the moved centre, scaled."""
    left, top, right, bottom = subject.face
    centre = np.array([(left + right) / 2, (top + bottom) / 2, 1.0])
    middle = retake_matrix(pixels, subject.retake) @ centre
    half = np.array([right - left, bottom - top]) * subject.retake.scale / 2
    corners = np.concatenate([middle - half, middle + half])
    return tuple(int(corner) for corner in np.rint(corners))  # type: ignore[return-value]


def side_by_side(first: Pixels, second: Pixels, height: int = 320) -> Pixels:
    parts = [scaled(pixels, height / pixels.shape[0])[:height] for pixels in (first, second)]
    return np.asarray(np.hstack(parts), np.uint8)


def views(subject: Subject, pixels: Pixels) -> dict[str, tuple[Pixels, int]]:
    """File name -> pixels (BGR) and JPEG quality: both views, and the face crop of each."""
    second = rephotograph(pixels, subject.retake)
    first_face = crop_face(pixels, subject.face)
    second_face = crop_face(second, retaken_box(pixels, subject))
    return {
        f"{subject.name}.jpg": (pixels, 84),
        f"{subject.name}_second.jpg": (second, subject.retake.quality),
        f"{subject.name}_face.jpg": (first_face, 92),
        f"{subject.name}_second_face.jpg": (second_face, 92),
    }


def make(astronaut: Pixels, hopper: Pixels) -> dict[str, tuple[Pixels, int]]:
    """Every picture of events/pictures by file name, as BGR pixels and JPEG quality."""
    grace = scaled(hopper, 0.8)
    return {
        **views(EILEEN, astronaut),
        **views(GRACE, grace),
        "two_people.jpg": (side_by_side(astronaut, grace), 84),
        # The model of the space shuttle beside her.
        "no_face.jpg": (np.ascontiguousarray(astronaut[0:200, 330:512]), 84),
    }


def write(pictures: Mapping[str, tuple[Pixels, int]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, quality) in pictures.items():
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if data.size > MAX_BYTES:
            raise SystemExit(
                f"{name} would be {data.size} bytes, over {MAX_BYTES}: lower its quality"
            )
        (folder / name).write_bytes(data.tobytes())
        print(f"{folder / name}: {data.size} bytes")


def parse_arguments(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--astronaut", type=Path, help="astronaut.png or a scikit-image wheel")
    parser.add_argument("--hopper", type=Path, help="grace_hopper.jpg or a matplotlib wheel")
    parser.add_argument("--out", type=Path, default=PICTURES)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse_arguments(arguments)
    astronaut = options.astronaut or installed(ASTRONAUT)
    hopper = options.hopper or installed(HOPPER)
    if astronaut is None or hopper is None:
        raise SystemExit(
            "needs scikit-image and matplotlib: "
            "uv run --with scikit-image python -m tools.make_pictures, or name both files"
        )
    write(make(read_source(astronaut, ASTRONAUT), read_source(hopper, HOPPER)), options.out)


if __name__ == "__main__":
    main()
