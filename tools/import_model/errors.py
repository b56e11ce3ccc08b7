"""The one error of the importer."""


class ImportFailed(Exception):  # noqa: N818 - reads as what it says
    """The model cannot be imported; the message says why, and what to do next."""
