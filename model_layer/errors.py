"""What can go wrong between a model folder and an embedding.

ModelError
├── ModelUnavailable   the model cannot be loaded, or its engine cannot run
├── ModelMismatch      two embeddings do not have the same contract
└── RateNotMeasured    no threshold of the model stands behind this false-accept rate
"""

from typing import Any


class ModelError(Exception):
    """Base of all errors of this package; the class name is the error code.

    `details` holds facts for the caller (file names, digests, ids), never embeddings.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class ModelUnavailable(ModelError):  # noqa: N818 - the name is the error code
    """A model folder, file or engine is missing, damaged, or not what the manifest says."""


class ModelMismatch(ModelError):  # noqa: N818 - the name is the error code
    """An embedding made by another model, or of another dimension, was handed in."""


class RateNotMeasured(ModelError):  # noqa: N818 - the name is the error code
    """A false-accept rate outside those that the model was measured at."""
