"""A function that does not search pays nothing for collections."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
opened = []
sys.addaudithook(lambda name, args: opened.append(str(args[0])) if name == "open" else None)
from handler import app
from tests.unit.handler.service_fakes import FakeContext
event = json.load(open("events/compare-same.json"))
answer = app.lambda_handler(event, FakeContext())
assert "error" not in answer, answer
loaded = [name for name in sys.modules if name.startswith("handler.search") or "boto" in name]
read = [path for path in opened if "handler/search" in path or path.startswith(COLLECTIONS)]
print(json.dumps([loaded, read]))
"""


def test_it_is_neither_imported_nor_read_before_the_first_question(
    root: Path, tmp_path: Path
) -> None:
    program = f"COLLECTIONS = {str(tmp_path)!r}\n{PROGRAM}"
    environment = {"PATH": "/usr/bin:/bin", "FACENET_COLLECTIONS": str(tmp_path / "truth")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[[], []]"
    assert not (tmp_path / "truth").exists()
