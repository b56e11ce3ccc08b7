"""Packs pictures that are aligned faces already into test.json, as the UAI example's tool did.

python -m tools.gen_example_json --image_files A.jpeg B.jpeg
curl -X POST http://127.0.0.1:8080/service -T test.json
"""

from collections.abc import Sequence
from typing import Any

import align
from tools import pack_images


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = pack_images.make_parser(
        "gen_example_json",
        "Resize aligned faces and pack them into a request file.",
        "For whole photographs use tools.gen_img_json, which finds the faces.",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    pictures = [pack_images.read_picture(path) for path in options.image_files]
    chips = [align.fit(picture.pixels, options.image_size) for picture in pictures]
    pack_images.write([pack_images.encode_png(chip) for chip in chips], options.out)


if __name__ == "__main__":
    main()
