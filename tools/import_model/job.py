"""One model on its way into a folder: files, parity, manifest, thresholds."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model_layer.distance import normalise
from model_layer.engine import Engine
from model_layer.manifest import MANIFEST_NAME, FileKind
from model_layer.standardize import check_chip, standardize
from tools.import_model import calibrate, check_parity, quantize
from tools.import_model.check_parity import Chips, Floats, Parity
from tools.import_model.errors import ImportFailed
from tools.import_model.freeze import simplify
from tools.import_model.quantize import Candidate
from tools.import_model.sources import Source
from tools.import_model.write_files import engine_of, put, write_files
from tools.import_model.write_manifest import Description, provenance, write_manifest

# How much of an embedding a manifest keeps of the check chip, and how exactly.
CHECK_VALUES, CHECK_DECIMALS = 16, 5


class Import:
    """A source, its description, and what is written of them step by step.

    path: of the weights here; address: where they came from.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        words: Sequence[str],
        source: Source,
        description: Description,
        address: str,
        path: Path,
    ) -> None:
        self.options, self.words, self.source = options, words, source
        self.description, self.address, self.path = description, address, path
        self.folder: Path = options.out
        faces = options.faces or check_parity.PICTURES
        self.chips = check_parity.read_chips(faces, description.alignment)
        self.pixels = self.standardized(self.chips)
        self.expected = source.runtime.embed(self.pixels)
        self.files: dict[FileKind, Path] = {}
        self.engines: dict[FileKind, Engine] = {}
        self.rows: dict[FileKind, Parity] = {}
        self.int8: list[Candidate] = []
        self.chosen: Candidate | None = None

    def standardized(self, chips: Chips) -> Floats:
        bgr = self.description.colour_order == "BGR"
        return check_parity.standardized(chips, self.description.standardization, bgr)

    def convert(self) -> None:
        """Writes all files and compares each with the source's runtime.

        Raises ImportFailed, and leaves no manifest, where float32 is another function.
        """
        calibration = self.calibration_chips()
        # Grappler's simplification is for training branches; a network has none.
        graph = self.source.graph if self.source.network else simplify(self.source.graph)
        self.files = write_files(graph, self.folder, frozen_graph=not self.options.no_frozen_graph)
        self.int8 = quantize.candidates(
            graph,
            self.source.network,
            self.pixels,
            self.expected,
            calibration,
            self.folder / ".download",
        )
        self.serve(quantize.better(self.int8, lambda one: one.cosine, quantize.COSINE_SLACK))
        self.rows |= {kind: self.compare(kind) for kind in self.files if kind not in self.rows}
        self.drop_bad_int8()
        print(self.table())
        wrong = check_parity.deviating([self.rows[kind] for kind in self.files])
        if wrong:
            _refuse_deviation(self.folder, wrong, self.source.runtime.name)

    def calibration_chips(self) -> Floats | None:
        """Chips for static int8, or None. Raises ImportFailed where there is no face."""
        if not self.options.calibration:
            return None
        chips = check_parity.read_chips(self.options.calibration, self.description.alignment)
        if chips.synthetic:
            raise ImportFailed(
                f"--calibration {self.options.calibration} holds no picture with a face"
            )
        return self.standardized(chips)

    def serve(self, candidate: Candidate) -> None:
        """Makes this one the folder's int8 file."""
        self.chosen = candidate
        self.files["int8"] = put(self.folder / "int8.tflite", candidate.content)
        self.rows["int8"] = self.compare("int8")

    def compare(self, kind: FileKind) -> Parity:
        path = self.files[kind]
        self.engines[kind] = engine_of(path)
        return check_parity.compare(kind, path, self.engines[kind], self.pixels, self.expected)

    def drop_bad_int8(self) -> None:
        """int8 that tells faces apart much worse is left out, and float32 served."""
        if not check_parity.deviating([self.rows["int8"]]):
            return
        print(
            f"int8 is left out: its cosine to {self.source.runtime.name} falls to "
            f"{self.rows['int8'].min_cosine:.3f}, below {check_parity.LOWEST_COSINE:g}. Some "
            "hundred pictures with faces as --calibration may give a better one"
        )
        self.files.pop("int8").unlink()
        self.chosen = None

    def table(self) -> str:
        rows = [self.rows[kind] for kind in self.files]
        parity = check_parity.table(rows, self.chips.description, self.source.runtime.name)
        return f"{parity}\n{quantize.describe(self.int8, self.chosen)}"

    def write_manifest(self) -> None:
        rows = [self.rows[kind] for kind in self.files]
        facts = provenance(self.address, self.path, self.words, self.chips, rows, self.more_facts())
        write_manifest(
            self.folder,
            self.measured_description(),
            self.files,
            int(self.expected.shape[1]),
            facts,
            answers_to_check_chip(
                {kind: self.engines[kind] for kind in self.files}, self.description
            ),
        )

    def measured_description(self) -> Description:
        """What is known of public weights was measured in dynamic int8 and float32."""
        if self.chosen and self.chosen.method == "dynamic":
            return self.description
        return replace(self.description, known=self.description.known.unmeasured())

    def more_facts(self) -> dict[str, str | None]:
        return {
            "origin": self.options.origin or self.description.known.origin,
            "runtime": self.source.runtime.name,
            "quantization": self.chosen.method if self.chosen else None,
        }

    def measure_pairs(self) -> None:
        """The better int8 file by the pairs, then its thresholds."""
        pairs, images = self.options.pairs, self.options.images
        with tempfile.TemporaryDirectory() as place:
            cache = Path(place)

            def accepted() -> float:
                measured = calibrate.measure(self.folder, pairs, images, cache)
                return calibrate.accepted_share(measured)

            def serve(candidate: Candidate) -> None:
                self.serve(candidate)
                self.write_manifest()

            if self.chosen and len(self.int8) > 1:
                serve(calibrate.choose_by_pairs(self.int8, serve, accepted))
                print(f"int8, {self.chosen.method}: served")
            claimed = [row for row in self.description.known.accuracy if "source" in row]
            calibrate.calibrate(self.folder, pairs, images, cache, claimed)

    def say_unmeasured(self) -> None:
        if self.description.known.calibration is None:
            print(
                "No rate was measured: the threshold is the customary one, and answers carry no "
                "similarity. Labelled pairs give both: --pairs CSV --images ZIP"
            )


def _refuse_deviation(folder: Path, wrong: Sequence[str], runtime: str) -> None:
    """A folder without manifest cannot be served, not even if an older import left one."""
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    raise ImportFailed(
        f"{', '.join(wrong)}: not equal to {runtime} (float32 to "
        f"{check_parity.FLOAT32_TOLERANCE:g}); the folder has no manifest and will not load. "
        "Please report the model"
    )


def answers_to_check_chip(
    engines: Mapping[FileKind, Engine], description: Description
) -> dict[FileKind, list[float]]:
    """The first numbers of each file's unit embedding, which a start compares with its own."""
    chip = check_chip(description.alignment.size)[None]
    ordered = chip[..., ::-1] if description.colour_order == "BGR" else chip
    pixels = standardize(ordered, description.standardization)
    return {
        kind: [
            round(float(number), CHECK_DECIMALS)
            for number in normalise(engine.embed(pixels))[0, :CHECK_VALUES]
        ]
        for kind, engine in engines.items()
    }
