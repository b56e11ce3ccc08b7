"""Command lines around the function; none of them is in its image."""
