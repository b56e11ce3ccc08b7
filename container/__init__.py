"""Builds the function's image and runs it as Lambda does, on a machine that may have no engine.

python -m container --help
"""
