"""Writes fuzz/seeds: small pictures of every kind and events of every kind, drawn or taken apart.

python -m fuzz.make_seeds       # HEIC only where Debian's libheif-examples are installed
"""

import base64
import io
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from fixtures import hostile_pictures as hostile
from fixtures import http_events
from fixtures.heic_files import encode
from fixtures.heic_files import seed as heic_seed
from fixtures.hostile_heic import HOSTILE_HEIC
from fixtures.odd_pictures import ODD

SEEDS = Path(__file__).resolve().parent / "seeds"
EVENTS = SEEDS.parent.parent / "events"
# Events whose pictures are too large for a seed are made here instead.
SMALL_EVENT = 6000
NOT_FOR_SEEDS = frozenset(
    name for name in hostile.HOSTILE if "bomb" in name or "limit" in name or "400 MB" in name
)
LARGEST_SEED = 4096


def pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """The scene as Pillow writes it, which knows more kinds than OpenCV."""
    image = Image.fromarray(hostile.scene(32, 24)[..., ::-1]).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """A JPEG that says how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pillow("jpeg", exif=exif)


PICTURES: Mapping[str, Callable[[], bytes]] = {
    "baseline.jpg": lambda: pillow("jpeg"),
    "progressive.jpg": lambda: pillow("jpeg", progressive=True),
    "grey.jpg": lambda: pillow("jpeg", "L"),
    "cmyk.jpg": lambda: pillow("jpeg", "CMYK"),
    "full_colour.jpg": lambda: pillow("jpeg", subsampling=0),
    "turned.jpg": lambda: turned(6),
    "restarts.jpg": lambda: pillow("jpeg", restart_marker_blocks=1),
    "plain.png": lambda: pillow("png"),
    "grey.png": lambda: pillow("png", "L"),
    "bits.png": lambda: pillow("png", "1"),
    "palette.png": lambda: pillow("png", "P"),
    "transparent_palette.png": lambda: pillow("png", "P", transparency=0),
    "alpha.png": lambda: pillow("png", "RGBA"),
    "grey_alpha.png": lambda: pillow("png", "LA"),
    "deep.png": lambda: hostile.encode("png", hostile.scene(16, 12).astype("uint16") * 257),
    "lossy.webp": lambda: pillow("webp"),
    "lossless.webp": lambda: pillow("webp", lossless=True),
    "alpha.webp": lambda: pillow("webp", "RGBA"),
}


def opaque(mode: str = "RGB") -> bytes:
    """The scene, 64 x 48, as PNG for heif-enc."""
    image = Image.fromarray(hostile.scene()[..., ::-1]).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def deep() -> bytes:
    """The scene with 16 bits a sample."""
    return hostile.encode("png", hostile.scene().astype("uint16") * 257)


HEIC: Mapping[str, Callable[[], bytes]] = {
    "plain.heic": lambda: encode(opaque()),
    "grey.heic": lambda: encode(opaque("L")),
    "alpha.heic": lambda: encode(opaque("RGBA")),
    "ten_bits.heic": lambda: encode(deep()),
    "thumbnail.heic": lambda: encode(opaque(), "-t", "32"),
    "full_colour.heic": lambda: encode(opaque(), "-p", "chroma=444"),
    "odd.heic": lambda: encode(hostile.encode("png", hostile.scene(61, 47))),
    "exif.heic": lambda: encode(turned(6), suffix="jpg"),
}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def request(line: str, body: bytes) -> bytes:
    """A seed of the form that fuzz.targets.read_event explains."""
    return line.encode() + b"\n" + body


def form() -> bytes:
    """Two pictures and an option as a form."""
    parts = [
        http_events.file_part("a.jpg", PICTURES["baseline.jpg"]()),
        http_events.file_part("b.png", PICTURES["plain.png"]()),
        http_events.field_part("aligned", "true"),
    ]
    return b"".join([*parts, f"--{http_events.BOUNDARY}--\r\n".encode()])


def events() -> dict[str, bytes]:
    """Every way in, with pictures small enough."""
    face = (EVENTS / "pictures" / "eileen_collins_second_face.jpg").read_bytes()
    small, other = text(PICTURES["baseline.jpg"]()), text(PICTURES["lossless.webp"]())
    direct = {
        "direct_aligned": {"operation": "compare", "images": [small, other], "aligned": True},
        "direct_all": {"operation": "embed", "images": [small] * 3, "face": "all", "cnt": 3},
        "direct_stored": {
            "images": [{"s3": {"bucket": "example-photos", "key": "a b.jpg"}}, small],
            "min_quality": {"size": 20, "yaw": 45},
        },
        # JSON can hold a lone surrogate, a key of S3 cannot.
        "direct_surrogate": {"images": [{"s3": {"bucket": "example-photos", "key": "\ud800"}}]},
        "batch_surrogate": {
            "invocationSchemaVersion": "2.0",
            "invocationId": "1",
            "tasks": [{"taskId": "1", "s3Key": "\ud800", "s3Bucket": "example-photos"}],
        },
        "queue_surrogate": {
            "Records": [
                {
                    "eventSource": "aws:sqs",
                    "messageId": "\ud800",
                    "body": json.dumps({"images": [{"embedding": [0.5]}] * 2}),
                }
            ]
        },
        "direct_embedding": {"images": [{"embedding": [0.5] * 8}, {"embedding": text(bytes(64))}]},
        "direct_uri": {"operation": "detect", "images": [f"data:image/jpeg;base64,{small}"]},
    }
    compare = json.dumps(direct["direct_aligned"]).encode()
    kind = f"multipart/form-data; boundary={http_events.BOUNDARY}"
    requests = {
        "v2_json": request("v2 POST /v1/compare application/json", compare),
        "v2_form": request(f"v2 POST /v1/compare {kind}", form()),
        "v2_face": request("v2 POST /v1/embed?encoding=base64&aligned=true image/jpeg", face),
        "v2_service": request("v2 POST /service ", compare),
        "rest_picture": request("rest POST /v1/detect?face=all image/png", PICTURES["alpha.png"]()),
        "alb_json": request("alb POST /v1/embed application/json", compare),
        "alb_openapi": request("alb GET /openapi.json ", b""),
        "v2_heic": request("v2 POST /v1/detect image/heic", heic_seed("plain")),
        "v2_uploads": request(
            "v2 POST /v1/uploads application/json", b'{"content_type": "image/jpeg", "count": 2}'
        ),
        "v2_preflight": request("v2 OPTIONS /v1/compare ", b""),
        "v2_page": request("v2 GET / text/html", b""),
    }
    files = {
        f"event_{path.stem}": json.dumps(json.loads(path.read_text())).encode()
        for path in sorted(EVENTS.glob("*.json"))
        if path.stat().st_size < SMALL_EVENT
    }
    return {
        **{name: json.dumps(body).encode() for name, body in direct.items()},
        **requests,
        **files,
    }


def pictures() -> dict[str, bytes]:
    """Good pictures of every kind, and the odd and hostile ones that are small."""
    made = {name: maker() for name, maker in PICTURES.items()}
    for kind, others in (("hostile", hostile.HOSTILE), ("odd", ODD)):
        for name, (maker, _) in others.items():
            data = b"" if name in NOT_FOR_SEEDS else maker()
            if 0 < len(data) <= LARGEST_SEED:
                made[f"{kind}_" + "".join(c if c.isalnum() else "_" for c in name)] = data
    return made


def heic() -> dict[str, bytes]:
    """HEIC files: heif-enc's, where it is installed, and those put together from them."""
    if shutil.which("heif-enc"):
        write("heic", {name: maker() for name, maker in HEIC.items()})
    made = {name: (SEEDS / "heic" / name).read_bytes() for name in HEIC}
    for name, (maker, _) in HOSTILE_HEIC.items():
        data = maker()
        if len(data) <= LARGEST_SEED:
            made[f"hostile_{name.replace(' ', '_')}"] = data
    return made


def write(folder: str, seeds: Mapping[str, bytes]) -> None:
    """Writes seeds into their folder."""
    (SEEDS / folder).mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (SEEDS / folder / name).write_bytes(data)


def main() -> None:
    """Writes all of them and says how much that is."""
    for folder, seeds in (("heic", heic()), ("decode", pictures()), ("handle", events())):
        write(folder, seeds)
        print(f"{folder}: {len(seeds)} seeds, {sum(map(len, seeds.values())):,} bytes")


if __name__ == "__main__":
    main()
