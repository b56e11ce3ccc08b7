"""Measures a model on labelled pairs of pictures: `python -m tools.evaluate --help`."""
