"""Every setting and every limit, read once from the environment and checked as it is read."""

import math
import os
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import align
from align import DetectorProfile
from handler.environment import (
    ON,
    Environment,
    Location,
    SettingsError,
    at_least,
    bucket_of,
    parse_account,
    parse_collections,
    parse_far,
    parse_index,
    parse_location,
    parse_min_face,
    parse_switch,
    read_choice,
    read_names,
    read_text,
    read_variable,
)
from model_layer import EngineName, Precision, bundled_models

# A Lambda invocation carries 6 MB each way; an ALB target group 1 MB.
LAMBDA_PAYLOAD = 6 * 1024 * 1024
ALB_PAYLOAD = 1024 * 1024
# Lambda's documented rate; what the function sees in /proc is the host's, not its share.
MEGABYTES_PER_CPU = 1769
# What `/service` does: the classes of the UAI example.
UaiMainClass = Literal[
    "FaceCompareModel", "FaceEmbedModel", "FaceEmbedModelAutoBatch", "FaceDetectionModel"
]


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
        """Refuses to write where pictures are read: each object would invoke the function again.

        An upload bucket is one that nothing else is in: pictures in it may be deleted.
        """
        written = {
            "FACENET_OUTPUT": self.output.bucket if self.output else None,
            "FACENET_UPLOADS": self.uploads,
            "FACENET_COLLECTIONS": bucket_of(self.collections),
        }
        for name, bucket in written.items():
            if bucket in self.input_buckets:
                raise SettingsError(
                    f"{name} must be in a bucket that FACENET_INPUT_BUCKETS does not name, "
                    f"not {bucket!r}"
                )
        if self.output is not None and self.output.bucket == self.uploads:
            raise SettingsError(
                f"FACENET_UPLOADS must be a bucket that FACENET_OUTPUT does not name, "
                f"not {self.uploads!r}"
            )

    @classmethod
    def for_refusals(cls, environment: Environment | None = None) -> "Settings":
        """The settings that error answers need even if another setting is invalid."""
        source = os.environ if environment is None else environment
        return cls(
            base_path=read_text(source, "FACENET_BASE_PATH").strip("/"),
            cors_origins=read_names(source, "FACENET_CORS_ORIGINS"),
            # The page shows the error; an invalid value leaves it off.
            page=read_text(source, "FACENET_PAGE").lower() in ON,
            rekognition=read_text(source, "FACENET_REKOGNITION").lower() in ON,
            metrics_namespace=read_text(source, "FACENET_METRICS_NAMESPACE") or None,
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
            model=model or read_text(source, "FACENET_MODEL") or _only_bundled_model(),
            engine=read_choice(source, "FACENET_ENGINE", get_args(EngineName)) or "litert",
            precision=read_choice(source, "FACENET_PRECISION", get_args(Precision)),
            detector=read_choice(source, "FACENET_DETECTOR", get_args(DetectorProfile)) or "fast",
            min_face=read_variable(source, "FACENET_MIN_FACE", parse_min_face, None),
            threads=read_variable(
                source, "FACENET_THREADS", at_least(1), available_threads(source)
            ),
            far=read_variable(source, "FACENET_FAR", parse_far, None),
            chips_per_batch=read_variable(source, "FACENET_CHIPS_PER_BATCH", at_least(1), 4),
            input_buckets=read_names(source, "FACENET_INPUT_BUCKETS"),
            bucket_owner=read_variable(
                source, "FACENET_EXPECTED_BUCKET_OWNER", parse_account, None
            ),
            output=read_variable(source, "FACENET_OUTPUT", parse_location, None),
            collections=read_variable(source, "FACENET_COLLECTIONS", parse_collections, None),
            index=read_variable(source, "FACENET_INDEX", parse_index, "memory"),
            collection_faces=read_variable(source, "FACENET_COLLECTION_FACES", at_least(1), None),
            bucket_collection=read_text(source, "FACENET_BUCKET_COLLECTION") or None,
            people_prefix=read_text(source, "FACENET_PEOPLE_PREFIX") or "people/",
            output_owner=read_variable(source, "FACENET_OUTPUT_OWNER", parse_account, None),
            limits=_limits(source),
            base_path=answering.base_path,
            cors_origins=answering.cors_origins,
            page=read_variable(source, "FACENET_PAGE", parse_switch, False),
            rekognition=read_variable(source, "FACENET_REKOGNITION", parse_switch, False),
            metrics_namespace=answering.metrics_namespace,
            uai_main_class=uai_main_class,
            uploads=read_text(source, "FACENET_UPLOADS") or None,
            heic=_heic(source),
        )


def _heic(source: Environment) -> bool:
    """FACENET_HEIC. Raises SettingsError where it is on and there is no decoder to turn on."""
    on = read_variable(source, "FACENET_HEIC", parse_switch, False)
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
            source, "FACENET_MAX_BODY_BYTES", at_least(1), standard.body_bytes
        ),
        response_bytes=read_variable(
            source, "FACENET_MAX_RESPONSE_BYTES", at_least(1024), standard.response_bytes
        ),
        images=read_variable(source, "FACENET_MAX_IMAGES", at_least(1), standard.images),
        image_bytes=read_variable(
            source, "FACENET_MAX_IMAGE_BYTES", at_least(1), standard.image_bytes
        ),
        pixels=read_variable(source, "FACENET_MAX_PIXELS", at_least(1), standard.pixels),
        faces=read_variable(source, "FACENET_MAX_FACES", at_least(1), standard.faces),
        time_reserve_ms=read_variable(source, "FACENET_TIME_RESERVE_MS", at_least(0), reserve),
        slowness=slowness,
    )
