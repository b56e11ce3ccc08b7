"""What detectors find in pictures as people send them: `python -m bench.recall`."""
