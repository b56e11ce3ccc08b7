"""The decision threshold: the largest distance of one person, and its false-accept rate."""

from dataclasses import dataclass

from handler.environment import WORST_GROUP, SettingsError
from handler.errors import ApiError
from handler.faces.requests import Options
from handler.settings import Settings
from model_layer import Manifest, RateNotMeasured


@dataclass(frozen=True)
class Decision:
    """The largest distance that means `same`; its false-accept rate, where one was measured."""

    threshold: float
    far: float | None


def decide(manifest: Manifest, settings: Settings, options: Options) -> Decision:
    """The decision of a request: by its `far` or `threshold`, else by the default.

    The profile `uai` has no measured rates. Raises InvalidRequest for a rate that was not measured.
    """
    measured = options.profile == "model"
    if options.far is not None:
        if not measured:
            raise _invalid_far("The profile uai has no measured rates; name a threshold.")
        try:
            return Decision(manifest.thresholds.threshold_at(options.far), options.far)
        except RateNotMeasured as failure:
            raise _invalid_far(f"{failure.message}.", **failure.details) from None
    if options.threshold is not None:
        far = manifest.thresholds.far_of(options.threshold) if measured else None
        return Decision(options.threshold, far)
    default = default_decision(manifest, settings)
    return default if measured else Decision(default.threshold, None)


def default_decision(manifest: Manifest, settings: Settings) -> Decision:
    """By FACENET_FAR, else the manifest's default.

    `worst_group` promises its rate within every measured group of adults. Raises SettingsError for
    what the model was not measured at; a start finds that out.
    """
    if settings.far is None:
        return Decision(manifest.threshold, manifest.far)
    if settings.far == WORST_GROUP:
        worst = manifest.thresholds.worst_group
        if worst is None:
            raise SettingsError(f"FACENET_FAR is {WORST_GROUP}, which {manifest.id} does not have")
        return Decision(worst.threshold, worst.far)
    try:
        return Decision(manifest.thresholds.threshold_at(settings.far), settings.far)
    except RateNotMeasured as failure:
        raise SettingsError(f"FACENET_FAR: {failure.message}") from None


def _invalid_far(message: str, **details: float) -> ApiError:
    text = f"{message[:1].upper()}{message[1:]}"
    return ApiError("InvalidRequest", text, details={**details, "field": "far"})
