"""Weights are checked by digest, and nothing that is loaded can run code."""

import ast
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process_logs import LOGS

RUNTIME = ("handler", "align", "model_layer")
# Modules that make objects out of bytes, or code out of text.
FORBIDDEN_MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle", "yaml"}
)
FORBIDDEN_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
WEIGHTS = (".tflite", ".npz", ".npy", ".pb", ".h5", ".onnx", ".pt", ".pkl", ".ckpt", ".keras")
# `pickle.find_class` is raised by the interpreter itself, whoever unpickles.
PROGRAM = """
import sys
seen = []
sys.addaudithook(lambda name, _: seen.append(name) if name == "pickle.find_class" else None)
import json
from handler import app
answer = app.lambda_handler(json.load(open("events/compare-same.json")), None)
assert answer["same"] is True
print("UNPICKLED", len(seen))
"""


def sources(root: Path) -> Iterator[Path]:
    for package in RUNTIME:
        yield from (root / package).rglob("*.py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def called(tree: ast.AST) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_the_function_imports_nothing_that_unpickles_and_evaluates_no_text(root: Path) -> None:
    paths = list(sources(root))
    assert len(paths) > 50
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not FORBIDDEN_MODULES & set(imported(tree)), path
        names = {call.func.id for call in called(tree) if isinstance(call.func, ast.Name)}
        assert not FORBIDDEN_CALLS & names, path


@pytest.mark.parametrize("folder", [*RUNTIME, "tools"])
def test_numpy_files_are_loaded_without_pickle(folder: str, root: Path) -> None:
    for path in (root / folder).rglob("*.py"):
        for call in called(ast.parse(path.read_text(encoding="utf-8"))):
            if ast.unparse(call.func) in ("np.load", "numpy.load"):
                said = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert said.get("allow_pickle", "False") == "False", path


def test_nothing_is_unpickled_from_the_start_to_the_first_answer(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120
    )
    LOGS.keep("first_answer", done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "UNPICKLED 0" in done.stdout


def tracked(root: Path) -> list[Path]:
    """The files of the repository; of the folders, where there is no repository."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        return [path for folder in RUNTIME for path in (root / folder).rglob("*")]
    return [root / name for name in done.stdout.split("\0") if name]


def digests(root: Path) -> dict[str, str]:
    """File -> the SHA-256 that a manifest or digests.json says it has."""
    lists = [*root.glob("model_layer/models/*/manifest.json"), *root.glob("align/weights/*.json")]
    said = {}
    for path in lists:
        for entry in json.loads(path.read_text(encoding="utf-8"))["files"].values():
            if entry:
                said[str(path.parent / entry["name"])] = entry["sha256"]
    return said


def test_every_weight_file_has_a_digest_and_has_the_bytes_for_it(root: Path) -> None:
    # Nothing serves from these: reference outputs for tools.check_model, and a test's toy network.
    candidates = [
        path
        for path in tracked(root)
        if path.name != "parity.npz" and "tests" not in path.relative_to(root).parts
    ]
    weights = {str(path) for path in candidates if path.suffix in WEIGHTS}
    said = digests(root)
    assert len(weights) >= 4
    assert weights <= set(said)
    for name, digest in said.items():
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest, name
