"""An event comes in, a response goes out. No pixels and no maths live here.

`handler.app.lambda_handler` is what Lambda calls. Importing this package alone loads nothing.
"""

__version__ = "1.0.0"
