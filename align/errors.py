"""What can be wrong with a picture.

AlignError
├── UnsupportedFormat   not a JPEG, PNG or WebP still picture, or a kind that no browser reads
├── ImageTooLarge       more pixels, or a longer side, than allowed
├── InvalidImage        one of these formats, but damaged
└── WeightsDamaged      not about a picture: a weight file is missing or not the released one
"""


class AlignError(Exception):
    """Base of all errors of this package; the class name is the error code."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class UnsupportedFormat(AlignError):  # noqa: N818 - the class name is the public error code
    """The bytes are not a JPEG, PNG or WebP still picture of a kind that browsers read."""


class ImageTooLarge(AlignError):  # noqa: N818
    """The header announces more pixels, or a longer side, than allowed."""


class InvalidImage(AlignError):  # noqa: N818
    """The picture is damaged: cut short, a part of it missing, or not decodable."""


class WeightsDamaged(AlignError):  # noqa: N818 - reads as what happened
    """A weight file is missing, or not the one that this version was released with."""
