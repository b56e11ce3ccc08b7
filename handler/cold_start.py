"""The cold start: settings, detector and model are loaded and warmed up once.

A failure is stored and answered by every invocation as a clear error. Raising it here instead
would make Lambda start the function over and over, which costs ten seconds each time and gives no
clear error.
"""

import time

import numpy as np
from numpy.typing import NDArray

import align
import model_layer
from handler import __version__
from handler.environment import SettingsError
from handler.errors import ApiError, innermost_frames
from handler.faces.decision import default_decision
from handler.faces.embedding import EmbeddingProfile
from handler.faces.service import AnyService, BrokenService, Service
from handler.observability import log
from handler.settings import Settings
from handler.uai.config import load_settings


def start() -> AnyService:
    """The warm service or, if anything fails, a BrokenService that answers with the reason."""
    started = time.perf_counter()
    settings = Settings.for_refusals()
    try:
        settings = load_settings()
        service = load(settings)
        service.detector.warm_up()  # loading the model ran it once
    except Exception as failure:
        error = _explain(failure)
        log(
            "cold_start",
            level="ERROR",
            code=error.code,
            error_type=type(failure).__name__,
            where=innermost_frames(failure),
        )
        return BrokenService(settings, error)
    log(
        "cold_start",
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        model=service.model.id,
        model_sha256=service.model.sha256,
        engine=settings.engine,
        detector=settings.detector,
        threads=settings.threads,
        version=__version__,
    )
    return service


def load(settings: Settings) -> Service:
    """Loads detector and model as `settings` say.

    Raises what align and model_layer raise, and SettingsError for a rate that was not measured.
    """
    detector = align.Detector.load(
        settings.detector, min_face=settings.min_face, threads=settings.threads
    )
    model = model_layer.load(
        settings.model,
        engine=settings.engine,
        precision=settings.precision,
        threads=settings.threads,
    )
    default_decision(model.manifest, settings)
    return Service(settings, detector, model, persons=_person_vectors)


def _person_vectors(
    service: Service, collection: str, person: str, profile: EmbeddingProfile
) -> NDArray[np.float32]:
    """A person as a side of a comparison; the first one imports what collections need."""
    from handler.search.service import person_vectors

    return person_vectors(service, collection, person, profile)


def _explain(failure: Exception) -> ApiError:
    """The failure as callers see it. Only our own errors give the reason."""
    if isinstance(failure, SettingsError):
        return ApiError("ModelUnavailable", f"A setting is invalid: {failure}.")
    if isinstance(failure, align.WeightsDamaged):
        return ApiError("ModelUnavailable", f"The detector cannot be used: {failure}.")
    if isinstance(failure, model_layer.ModelError):
        return ApiError("ModelUnavailable", f"The model cannot be used: {failure}.")
    return ApiError("ModelUnavailable", "The function could not start; see its log.")
