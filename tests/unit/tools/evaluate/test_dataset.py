"""Pairs and pictures are read as they are, and what is wrong with them is said."""

import zipfile
from pathlib import Path

import pytest

from tools.evaluate import dataset

CSV = "fold,image_a,image_b,same\n1,b.jpg,a.jpg,1\n2,a.jpg,c.jpg,0\n"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text(CSV)
    return path


def test_pairs_point_into_the_sorted_names(csv_file: Path) -> None:
    pairs = dataset.read_pairs(csv_file)
    assert pairs.names == ("a.jpg", "b.jpg", "c.jpg")
    assert pairs.left.tolist() == [1, 0]
    assert pairs.right.tolist() == [0, 2]
    assert pairs.same.tolist() == [True, False]


def test_only_the_folds_asked_for_are_kept(csv_file: Path) -> None:
    assert dataset.read_pairs(csv_file, {2}).names == ("a.jpg", "c.jpg")


def test_file_without_the_columns_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit, match=r"other\.csv needs the columns fold"):
        dataset.read_pairs(path)


def test_fold_without_pairs_is_refused(csv_file: Path) -> None:
    with pytest.raises(SystemExit, match="no pairs"):
        dataset.read_pairs(csv_file, {9})


def test_zip_and_folder_hold_the_same_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"bytes of a")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.write(folder / "a.jpg", "a.jpg")
    for source in (folder, tmp_path / "pictures.zip"):
        assert dataset.open_pictures(source).read("a.jpg") == b"bytes of a"


def test_zip_with_other_contents_has_another_digest(tmp_path: Path) -> None:
    digests = set()
    for content in ("one", "two"):
        path = tmp_path / f"{content}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.jpg", content)
        digests.add(dataset.open_pictures(path).digest)
    assert len(digests) == 2


def test_neither_zip_nor_folder_is_refused(csv_file: Path) -> None:
    with pytest.raises(SystemExit, match="neither a folder nor a zip"):
        dataset.open_pictures(csv_file)


@pytest.mark.parametrize(("label", "same"), [("1", True), ("TRUE", True), (" 0", False)])
def test_labels_are_numbers_or_words(tmp_path: Path, label: str, same: bool) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"\ufefffold,image_a,image_b,same\r\n1,ü.jpg,b.jpg,{label}\r\n", "utf-8")
    pairs = dataset.read_pairs(path)
    assert pairs.same.tolist() == [same]
    assert pairs.names == ("b.jpg", "ü.jpg")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,a,b,yes", "same is 1 or 0, not 'yes'"),
        ("one,a,b,1", "not 'one'"),
        ("1,a", "not ''"),
        ("1,a,,1", "image_b is empty"),
    ],
)
def test_a_row_that_says_something_else_is_named(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"{CSV}{row}\n")
    with pytest.raises(SystemExit, match=rf"pairs\.csv, line 4: .*{message}"):
        dataset.read_pairs(path)


@pytest.mark.parametrize("content", [CSV.encode("utf-16"), CSV.encode() + b"1,\xfc.jpg,a.jpg,1\n"])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=r"pairs\.csv is not a CSV file in UTF-8"):
        dataset.read_pairs(path)


def test_a_damaged_picture_of_a_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"bytes of a")
    path.write_bytes(path.read_bytes().replace(b"bytes of a", b"bytes of b"))
    with pytest.raises(SystemExit, match=r"pictures\.zip: a\.jpg cannot be read"):
        dataset.open_pictures(path).read("a.jpg")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("1,a,b,1", "1,a,c,0"), "two folds"),
        (("1,a,b,1", "1,a,c,0", "2,a,b,1"), "fold 2 needs"),
    ],
)
def test_pairs_that_cannot_be_measured_are_refused(
    tmp_path: Path, rows: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["fold,image_a,image_b,same", *rows]))
    with pytest.raises(SystemExit, match=message):
        dataset.require_measurable(dataset.read_pairs(path))


def test_folder_with_another_picture_has_another_digest(tmp_path: Path) -> None:
    digests = set()
    for content in (b"one", b"three"):
        (tmp_path / "a.jpg").write_bytes(content)
        digests.add(dataset.open_pictures(tmp_path).digest)
    assert len(digests) == 2
