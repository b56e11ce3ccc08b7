"""What the package offers, and what importing it must not cost."""

import subprocess
import sys

import align


def test_all_public_names_exist_and_are_sorted() -> None:
    assert all(hasattr(align, name) for name in align.__all__)
    assert align.__all__ == sorted(align.__all__)


def test_errors_are_known_by_their_class_name() -> None:
    for error in (align.UnsupportedFormat, align.ImageTooLarge, align.InvalidImage):
        assert issubclass(error, align.AlignError)
    raised = align.ImageTooLarge("too large", width=3)
    assert (str(raised), raised.message, raised.details) == ("too large", "too large", {"width": 3})


def test_importing_sets_opencv_limits_and_loads_nothing_heavy() -> None:
    code = (
        "import align, os, sys\n"
        "heavy = {'tensorflow', 'scipy', 'boto3', 'model_layer', 'handler', 'PIL'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert int(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS']) <= 1 << 28\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
