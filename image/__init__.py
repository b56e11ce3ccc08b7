"""The container image: what the Dockerfile runs while it builds, and the commands that build it."""
