"""Finds the face in each picture and packs the aligned faces into test.json.

    python -m tools.gen_img_json --image_files A.jpeg B.jpeg
    curl -X POST http://127.0.0.1:8080/service -T test.json

The options are those of the UAI example's tool. Unlike it, a picture without a face is an error
that names the picture: dropping it would shift the index of every picture after it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import align
from tools import pack_images


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = pack_images.make_parser(
        "gen_img_json",
        "Find, align and pack the face of each picture, or with --raw the pictures.",
    )
    parser.add_argument(
        "--margin",
        type=pack_images.at_least(0),
        default=44,
        help="pixels added around the face's box (44)",
    )
    parser.add_argument(
        "--face", choices=["largest", "central"], default="largest", help="which of several faces"
    )
    parser.add_argument(
        "--raw", action="store_true", help="pack whole pictures, for /v1/compare and the others"
    )
    parser.add_argument("--gpu_memory_fraction", type=float, help="accepted and not used: no GPU")
    return parser.parse_args(arguments)


def raw_picture(path: Path) -> bytes:
    """The file as it is, once its header says that the service will take it."""
    data = pack_images.read_bytes(path)
    try:
        align.read_header(data)
    except align.AlignError as exc:
        raise SystemExit(f"{path}: {exc}") from exc
    return data


def aligned_faces(paths: Sequence[Path], options: Any) -> list[bytes]:
    """One PNG per picture, in order. Exits naming every picture that has no face."""
    detector = align.Detector.load("exact")
    alignment = align.BoxAlignment(size=options.image_size, margin=options.margin)
    pictures = [pack_images.read_picture(path) for path in paths]
    faces = [detector.detect(picture) for picture in pictures]
    faceless = [str(path) for path, found in zip(paths, faces, strict=True) if not found]
    if faceless:
        raise SystemExit(
            f"no face found in {', '.join(faceless)}; nothing was written. For crops that are "
            "faces already use tools.gen_example_json"
        )
    return [
        pack_images.encode_png(
            align.align(picture, chosen_face(picture, found, options), alignment)
        )
        for picture, found in zip(pictures, faces, strict=True)
    ]


def chosen_face(picture: align.Picture, faces: Sequence[align.Face], options: Any) -> align.Face:
    return faces[align.select(faces, options.face, picture.width, picture.height)[0]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    images = (
        [raw_picture(path) for path in options.image_files]
        if options.raw
        else aligned_faces(options.image_files, options)
    )
    pack_images.write(images, options.out)


if __name__ == "__main__":
    main()
