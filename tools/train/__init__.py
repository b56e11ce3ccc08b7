"""Trains the bundled model: `python -m tools.train --help`."""
