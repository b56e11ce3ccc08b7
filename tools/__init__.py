"""Command-line tools for users; none of them is in the function's image."""
