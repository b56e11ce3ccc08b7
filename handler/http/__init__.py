"""An HTTP request in any of the shapes that AWS sends, and the response to it."""
