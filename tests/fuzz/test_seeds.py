"""Every seed gets a typed answer without atheris too, and the seeds are what the command makes."""

from pathlib import Path

import pytest

import align
from fixtures.hostile_heic import HOSTILE_HEIC
from fuzz import __main__ as command
from fuzz.make_seeds import HEIC, LARGEST_SEED, SEEDS, events, pictures
from fuzz.targets import TARGETS, read_event
from fuzz.world import BrokenPromise, Log, check

NAMES = sorted(f"{path.parent.name}/{path.name}" for path in SEEDS.glob("*/*"))


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gets_a_typed_answer(name: str) -> None:
    target, _, _ = name.partition("/")
    assert TARGETS[target]((SEEDS / name).read_bytes())


def test_the_seeds_are_those_that_the_command_writes() -> None:
    made = {f"handle/{name}": data for name, data in events().items()}
    heic = {*HEIC, *(f"hostile_{name.replace(' ', '_')}" for name in HOSTILE_HEIC)}
    heic = {name for name in heic if name != "hostile_of_too_many_tiles"}  # 82 KB
    names = {f"decode/{name}" for name in pictures()} | {f"heic/{name}" for name in heic}
    assert names | set(made) == set(NAMES)
    # Pictures may be encoded otherwise on another processor.
    plain = [name for name in made if name.startswith("handle/event_") or "surrogate" in name]
    assert len(plain) > 10
    for name in plain:
        assert (SEEDS / name).read_bytes() == made[name]


def test_the_seeds_reach_answers_and_refusals_alike() -> None:
    def reached(target: str) -> set[str]:
        return {TARGETS[target](path.read_bytes()) for path in (SEEDS / target).iterdir()}

    assert {"read", "InvalidImage", "ImageTooLarge", "UnsupportedFormat"} <= reached("decode")
    if align.can_decode_heic():
        assert {"read", "InvalidImage", "UnsupportedFormat"} <= reached("heic")
    assert {"200", "405", "answered", "ObjectNotFound", "ModelMismatch"} <= reached("handle")


def test_a_request_is_read_from_its_line() -> None:
    event = read_event(b"v2 PUT /v1/embed?flip=true image/png\nbody")
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert event["queryStringParameters"] == {"flip": "true"}
    assert event["headers"]["content-type"] == "image/png"


@pytest.mark.parametrize(
    "given",
    [
        None,
        {"statusCode": 500, "body": ""},
        {"statusCode": 200.5, "body": ""},
        {"error": {"code": "InternalError"}, "request_id": "1"},
        {"error": {"code": "Oops"}, "request_id": "1"},
        {"statusCode": 422, "body": '{"error": {"code": "InternalError"}, "request_id": "1"}'},
        {"results": [{"code": "InternalError"}]},
        {"results": [{"resultString": "InternalError: KeyError"}]},
    ],
)
def test_an_answer_that_must_not_be_given_is_noticed(given: object) -> None:
    with pytest.raises(BrokenPromise):
        check(given)


@pytest.mark.parametrize("line", ["x" * 5000, '{"code": "' + "Ab1/" * 20 + '"}'])
def test_a_log_line_that_must_not_be_written_is_noticed(line: str) -> None:
    with pytest.raises(BrokenPromise):
        Log().write(line)


def test_seeds_are_small() -> None:
    sizes = [path.stat().st_size for path in SEEDS.glob("*/*")]
    assert max(sizes) < 2 * LARGEST_SEED
    assert sum(sizes) < 200_000


def test_every_word_of_the_dictionary_is_well_formed() -> None:
    lines = (Path(SEEDS).parent / "words.dict").read_text(encoding="utf-8").splitlines()
    words = [line for line in lines if not line.startswith("#")]
    assert all(word.startswith('"') and word.endswith('"') and len(word) > 2 for word in words)
    assert len(set(words)) == len(words)


def test_a_machine_without_atheris_says_that_nothing_was_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "BUILD", tmp_path / "build" / "fuzz")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert command.main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("NOT CHECKED, atheris")
    assert (tmp_path / "build" / "fuzz-atheris.txt").read_text() == said
