"""`python -m tools.import_model`."""

import sys

from tools.needs import packages_of

with packages_of("import-model"):
    from tools.import_model.cli import main

if __name__ == "__main__":
    sys.exit(main())
