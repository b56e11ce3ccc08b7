"""Makes the known-face picture that every start checks: `python -m tools.make_known_face`.

Eileen Collins by NASA, in the public domain (events/pictures), cut and shrunk to a few kilobytes.
Prints what both detector profiles find in it, which align/known_face.py states.
"""

import align
from align import known_face
from align.opencv import cv2
from align.types import Picture

SOURCE = known_face.FILE.parents[2] / "events/pictures/eileen_collins.jpg"
CUT = (slice(0, 360), slice(90, 450))
SIDE = 160
QUALITY = 90


def main() -> None:
    pixels = cv2.imread(str(SOURCE), cv2.IMREAD_GRAYSCALE)[CUT]
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(known_face.FILE), small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    for profile in ("exact", "fast"):
        detector = align.Detector.load(profile, min_face=known_face.MIN_FACE)
        for face in detector.detect(Picture.of(known_face.read())):
            print(profile, round(face.score, 4), face.landmarks.round(1).tolist(), face.box)


if __name__ == "__main__":
    main()
