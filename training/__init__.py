"""Makes the bundled model: `python -m training --help`."""
