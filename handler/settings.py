"""Every setting and every limit, read once from the environment and checked as it is read."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

import align
from align import DetectorProfile
from model_layer import EngineName, Precision, bundled_models

# A Lambda invocation carries 6 MB each way; an ALB target group 1 MB.
LAMBDA_PAYLOAD = 6 * 1024 * 1024
ALB_PAYLOAD = 1024 * 1024
# Lambda's documented rate; what the function sees in /proc is the host's, not its share.
MEGABYTES_PER_CPU = 1769
ON = ("on", "true", "yes", "1")
WORST_GROUP: Literal["worst_group"] = "worst_group"

Value = TypeVar("Value")
Environment = Mapping[str, str]
# What `/service` does: the classes of the UAI example.
UaiMainClass = Literal[
    "FaceCompareModel", "FaceEmbedModel", "FaceEmbedModelAutoBatch", "FaceDetectionModel"
]


class SettingsError(ValueError):
    """A setting with an invalid value; the message names the variable."""


@dataclass(frozen=True)
class Location:
    """An S3 bucket and the prefix inside it (without a slash at its end, may be empty)."""

    bucket: str
    prefix: str


@dataclass(frozen=True)
class Limits:
    """The limits of one invocation. Each is checked before the work that it bounds."""

    body_bytes: int = LAMBDA_PAYLOAD
    response_bytes: int = LAMBDA_PAYLOAD
    images: int = 16
    image_bytes: int = 20 * 1024 * 1024
    pixels: int = 40_000_000
    # As many as `fast` finds at most, and twice as many of its smallest faces as fill a 16:9
    # picture, so that by default none is left out.
    faces: int = 1000
    time_reserve_ms: int = 500
    slowness: float = 1.0  # `slowness_of` this function's memory


@dataclass(frozen=True)
class Settings:
    """The settings as read from the environment. docs/api.md lists every variable."""

    model: str = ""
    engine: EngineName = "litert"
    precision: Precision | None = None
    detector: DetectorProfile = "fast"
    min_face: float | None = None
    threads: int = 1
    far: float | Literal["worst_group"] | None = None
    chips_per_batch: int = 4
    input_buckets: frozenset[str] = frozenset()
    bucket_owner: str | None = None
    output: Location | None = None
    collections: str | None = None
    index: str = "memory"
    collection_faces: int | None = None
    bucket_collection: str | None = None
    people_prefix: str = "people/"
    output_owner: str | None = None
    limits: Limits = field(default_factory=Limits)
    base_path: str = ""
    cors_origins: frozenset[str] = frozenset()
    page: bool = False
    rekognition: bool = False
    metrics_namespace: str | None = None
    uai_main_class: UaiMainClass = "FaceCompareModel"
    uploads: str | None = None  # the bucket that callers' large pictures go to
    heic: bool = False

    def __post_init__(self) -> None:
        """Refuses an output inside an input bucket: each result would invoke the function again.

        An upload bucket is one that nothing else is read from: pictures in it may be deleted.
        """
        if self.uploads is not None and self.uploads in {
            *self.input_buckets,
            self.output.bucket if self.output else None,
        }:
            raise SettingsError(
                "FACENET_UPLOADS must be a bucket that neither FACENET_INPUT_BUCKETS nor "
                f"FACENET_OUTPUT names, not {self.uploads!r}"
            )
        if self.output is not None and self.output.bucket in self.input_buckets:
            raise SettingsError(
                "FACENET_OUTPUT must be in a bucket that FACENET_INPUT_BUCKETS does not name, "
                f"not {self.output.bucket!r}"
            )

    @classmethod
    def for_refusals(cls, environment: Environment | None = None) -> "Settings":
        """The settings that error answers need even if another setting is invalid."""
        source = os.environ if environment is None else environment
        return cls(
            base_path=_text(source, "FACENET_BASE_PATH").strip("/"),
            cors_origins=_names(source, "FACENET_CORS_ORIGINS"),
            # The page shows the error; an invalid value leaves it off.
            page=_text(source, "FACENET_PAGE").lower() in ON,
            rekognition=_text(source, "FACENET_REKOGNITION").lower() in ON,
            metrics_namespace=_text(source, "FACENET_METRICS_NAMESPACE") or None,
        )

    @classmethod
    def from_environment(
        cls,
        environment: Environment | None = None,
        *,
        model: str | None = None,
        uai_main_class: UaiMainClass = "FaceCompareModel",
    ) -> "Settings":
        """Read `environment` (the process's own by default).

        `model` and `uai_main_class` come from a UAI conf file (`handler.uai.config`).

        Raises SettingsError, which names the variable and what it may hold.
        """
        source = MappingProxyType(dict(os.environ if environment is None else environment))
        answering = cls.for_refusals(source)
        return cls(
            model=model or _text(source, "FACENET_MODEL") or _only_bundled_model(),
            engine=_choice(source, "FACENET_ENGINE", get_args(EngineName)) or "litert",
            precision=_choice(source, "FACENET_PRECISION", get_args(Precision)),
            detector=_choice(source, "FACENET_DETECTOR", get_args(DetectorProfile)) or "fast",
            min_face=read_variable(source, "FACENET_MIN_FACE", _min_face, None),
            threads=read_variable(
                source, "FACENET_THREADS", _at_least(1), available_threads(source)
            ),
            far=read_variable(source, "FACENET_FAR", _far, None),
            chips_per_batch=read_variable(source, "FACENET_CHIPS_PER_BATCH", _at_least(1), 4),
            input_buckets=_names(source, "FACENET_INPUT_BUCKETS"),
            bucket_owner=read_variable(source, "FACENET_EXPECTED_BUCKET_OWNER", _account, None),
            output=read_variable(source, "FACENET_OUTPUT", _location, None),
            collections=read_variable(source, "FACENET_COLLECTIONS", _collections, None),
            index=read_variable(source, "FACENET_INDEX", _index, "memory"),
            collection_faces=read_variable(source, "FACENET_COLLECTION_FACES", _at_least(1), None),
            bucket_collection=_text(source, "FACENET_BUCKET_COLLECTION") or None,
            people_prefix=_text(source, "FACENET_PEOPLE_PREFIX") or "people/",
            output_owner=read_variable(source, "FACENET_OUTPUT_OWNER", _account, None),
            limits=_limits(source),
            base_path=answering.base_path,
            cors_origins=answering.cors_origins,
            page=read_variable(source, "FACENET_PAGE", _switch, False),
            rekognition=read_variable(source, "FACENET_REKOGNITION", _switch, False),
            metrics_namespace=answering.metrics_namespace,
            uai_main_class=uai_main_class,
            uploads=_text(source, "FACENET_UPLOADS") or None,
            heic=_heic(source),
        )


def _heic(source: Environment) -> bool:
    """FACENET_HEIC. Raises SettingsError where it is on and there is no decoder to turn on."""
    on = read_variable(source, "FACENET_HEIC", _switch, False)
    if on and not align.can_decode_heic():
        raise SettingsError(
            "FACENET_HEIC is on, but the package pi-heif is missing; build the image with "
            "--build-arg HEIC=on, or turn the setting off"
        )
    return on


def _only_bundled_model() -> str:
    """The model that needs no setting. Raises SettingsError where that is not one."""
    bundled = bundled_models()
    if len(bundled) != 1:
        raise SettingsError(f"FACENET_MODEL must be a model folder or one of {bundled}")
    return bundled[0]


def available_threads(environment: Environment) -> int:
    """Threads for the function's memory size: one per 1,769 MB, rounded up."""
    visible = len(os.sched_getaffinity(0))
    processors = _processors(environment)
    return min(visible, 4 if processors is None else max(1, math.ceil(processors)))


def slowness_of(environment: Environment) -> float:
    """How many times slower than one processor the function is; less memory, less processor."""
    return max(1.0, 1 / (_processors(environment) or 1.0))


def _processors(environment: Environment) -> float | None:
    """Processors for the function's memory size; None outside Lambda."""
    memory = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(memory) / MEGABYTES_PER_CPU if memory.isdecimal() else None


def _limits(source: Environment) -> Limits:
    standard = Limits()
    slowness = slowness_of(source)
    reserve = round(standard.time_reserve_ms * slowness)
    return Limits(
        body_bytes=read_variable(
            source, "FACENET_MAX_BODY_BYTES", _at_least(1), standard.body_bytes
        ),
        response_bytes=read_variable(
            source, "FACENET_MAX_RESPONSE_BYTES", _at_least(1024), standard.response_bytes
        ),
        images=read_variable(source, "FACENET_MAX_IMAGES", _at_least(1), standard.images),
        image_bytes=read_variable(
            source, "FACENET_MAX_IMAGE_BYTES", _at_least(1), standard.image_bytes
        ),
        pixels=read_variable(source, "FACENET_MAX_PIXELS", _at_least(1), standard.pixels),
        faces=read_variable(source, "FACENET_MAX_FACES", _at_least(1), standard.faces),
        time_reserve_ms=read_variable(source, "FACENET_TIME_RESERVE_MS", _at_least(0), reserve),
        slowness=slowness,
    )


def _text(source: Environment, name: str) -> str:
    return source.get(name, "").strip()


def read_variable(
    source: Environment, name: str, parse: Callable[[str], Value], default: Value
) -> Value:
    """The variable `name` through `parse`, whose ValueError says what the variable may hold."""
    text = _text(source, name)
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as failure:
        raise SettingsError(f"{name} must be {failure}, not {text[:80]!r}") from None


def _choice(source: Environment, name: str, choices: tuple[str, ...]) -> Any:
    def parse(text: str) -> str | None:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read_variable(source, name, parse, None)


def _names(source: Environment, name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in _text(source, name).split(",") if part.strip())


def _at_least(smallest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or len(text) > 12 or int(text) < smallest:
            raise ValueError(f"a whole number of at least {smallest}")
        return int(text)

    return parse


def _far(text: str) -> float | Literal["worst_group"]:
    if text == WORST_GROUP:
        return WORST_GROUP
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ValueError(f"a false-accept rate above 0 and below 1, or {WORST_GROUP}")
    return value


def _min_face(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 100_000:
        raise ValueError("a number of pixels (1 or more) or a share of the short side (under 1)")
    return value


def _account(text: str) -> str:
    if not (text.isdecimal() and len(text) == 12):
        raise ValueError("a 12-digit AWS account id")
    return text


def _location(text: str) -> Location:
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError("of the form s3://bucket/prefix")
    return Location(bucket, prefix.strip("/"))


def _collections(text: str) -> str:
    """`s3://bucket/prefix`, checked, or a folder as an absolute path."""
    if text.startswith("s3://"):
        _location(text)
        return text
    if "://" in text:
        raise ValueError("of the form s3://bucket/prefix, or a folder")
    return os.path.abspath(text)


def _index(text: str) -> str:
    engine, _, bucket = text.partition(":")
    if text != "memory" and not (engine == "s3vectors" and 3 <= len(bucket) <= 63):
        raise ValueError("memory, or s3vectors:VECTOR-BUCKET")
    return text


def _bucket_of(collections: str) -> str | None:
    """The bucket of FACENET_COLLECTIONS; None for a folder."""
    return _location(collections).bucket if collections.startswith("s3://") else None


def _switch(text: str) -> bool:
    if text.lower() not in (*ON, "off", "false", "no", "0"):
        raise ValueError("on or off")
    return text.lower() in ON
