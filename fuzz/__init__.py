"""Inputs that nobody sends by accident, and the promise that each of them gets a typed answer."""
