"""Compare, embed and detect on pictures whose faces are known, without a network."""

import base64
import json
from typing import Any

import cv2
import numpy as np
import pytest

import align
from handler.errors import ApiError
from handler.faces import answers
from handler.faces.requests import parse_object
from handler.faces.service import Service
from handler.faces.types import PictureFaces
from handler.invocation import Invocation
from model_layer.errors import ModelUnavailable
from tests.unit.handler.service_fakes import (
    BLACK,
    BLUE,
    CONTRACT,
    DARK_RED,
    GREEN,
    MANIFEST,
    RED,
    SIMILARITY,
    FakeContext,
    FakeDetector,
    face_at,
    make_service,
    picture,
)


def text(colour: tuple[int, int, int], **keywords: Any) -> str:
    return base64.b64encode(picture(colour, **keywords)).decode()


def ask(service: Service, context: Any = None, **event: Any) -> dict[str, Any]:
    invocation = Invocation(context or FakeContext())
    answer = service.run(parse_object(event, service.settings.limits), invocation)
    return json.loads(answers.encode(answer))


def refusal(service: Service, context: Any = None, **event: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(service, context, **event)
    return caught.value


def two_faces(seen: align.Picture) -> list[align.Face]:
    """A large face at the left with the lower score, a small one in the middle."""
    return [face_at(28, 20, 36, 28, 0.99), face_at(0, 0, 20, 40, 0.9)]


class TestCompare:
    def test_the_same_colour_is_the_same_person(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(DARK_RED)])
        assert answer["operation"] == "compare"
        assert answer["same"] is True
        assert answer["distance"] < 0.2
        assert answer["threshold"] == 0.5
        assert "pairs" not in answer

    def test_another_colour_is_another_person(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(GREEN)])
        assert answer["same"] is False
        assert answer["similarity"] < 0.01

    def test_the_answer_has_everything_that_was_promised(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(GREEN)])
        first, second = answer["images"]
        assert (first["index"], second["index"]) == (0, 1)
        assert (first["width"], first["height"]) == (64, 48)
        (face,) = first["faces"]
        assert face["box"] == {"left": 15.0, "top": 11.0, "width": 32.0, "height": 24.0}
        assert face["box_ratio"] == {"left": 0.23438, "top": 0.22917, "width": 0.5, "height": 0.5}
        assert len(face["landmarks"]) == 5
        assert face["score"] == 0.9
        assert set(face["quality"]) == {"size", "sharpness", "brightness", "yaw", "pitch", "roll"}
        assert "embedding" not in face
        assert answer["model"] == {
            "id": "tiny",
            "contract": CONTRACT,
            "sha256": "ab" * 32,
            "dimension": 3,
        }
        assert set(answer["timings_ms"]) == {
            "read",
            "decode",
            "detect",
            "align",
            "embed",
            "total",
        }
        assert answer["request_id"] == FakeContext().aws_request_id

    def test_a_threshold_of_the_callers_own_decides(self) -> None:
        images = [text(RED), text(GREEN)]
        strict = ask(make_service(), images=[images[0], images[0]], threshold=0)
        loose = ask(make_service(), images=images, threshold=2)
        assert (strict["same"], strict["threshold"]) == (True, 0)
        assert (loose["same"], loose["threshold"]) == (True, 2)

    def test_more_than_two_images_give_every_pair(self) -> None:
        answer = ask(
            make_service(), operation="compare", images=[text(RED), text(GREEN), text(DARK_RED)]
        )
        pairs = [(pair["a"]["image"], pair["b"]["image"]) for pair in answer["pairs"]]
        assert pairs[0] == (0, 2)
        assert set(pairs) == {(0, 1), (0, 2), (1, 2)}
        assert answer["distance"] == answer["pairs"][0]["distance"]

    def test_all_faces_of_the_others_meet_the_chosen_one_of_image_0(self) -> None:
        service = make_service(FakeDetector(two_faces))
        answer = ask(service, images=[text(RED), text(RED)], face="all")
        assert [len(image["faces"]) for image in answer["images"]] == [1, 2]
        assert len(answer["pairs"]) == 2
        assert {pair["a"]["image"] for pair in answer["pairs"]} == {0}

    @pytest.mark.parametrize("operation", ["compare", "embed", "detect"])
    def test_an_answer_that_cannot_fit_ends_the_work_at_once(self, operation: str) -> None:
        looked: list[int] = []

        def crowd(seen: align.Picture) -> list[align.Face]:
            looked.append(1)
            return [face_at(0, 0, 20, 40)] * 100

        service = make_service(FakeDetector(crowd), limits={"response_bytes": 50_000})
        error = refusal(service, operation=operation, images=[text(RED)] * 8, face="all")
        assert error.code == "ResponseTooLarge"
        assert len(looked) < 8
        assert not service.model.calls  # type: ignore[attr-defined]

    def test_all_faces_meet_the_largest_one_of_image_0(self) -> None:
        service = make_service(FakeDetector(two_faces))
        answer = ask(service, images=[text(RED), text(RED)], face="all")
        (chosen,) = answer["images"][0]["faces"]
        assert chosen["box"]["height"] == 40

    @pytest.mark.parametrize("blind", [0, 1, 2])
    def test_an_image_without_a_face_is_named_and_indices_never_shift(self, blind: int) -> None:
        images = [text(RED), text(GREEN), text(BLUE)]
        images[blind] = text(BLACK)
        error = refusal(make_service(), operation="compare", images=images)
        assert (error.code, error.details) == ("FaceNotFound", {"image": blind})
        assert error.message.startswith(f"images[{blind}]: ")

    def test_more_pairs_than_an_answer_holds_are_refused_before_any_face_is_embedded(self) -> None:
        crowd = [face_at(0, 0, 20, 40)] * 30
        service = make_service(FakeDetector(lambda _: crowd), limits={"response_bytes": 50_000})
        images = [text(RED)] * 4
        error = refusal(service, operation="compare", images=images, face="all")
        assert error.code == "ResponseTooLarge"
        assert not service.model.calls  # type: ignore[attr-defined]

    def test_all_chips_share_one_batch(self) -> None:
        service = make_service()
        ask(service, operation="compare", images=[text(RED)] * 4)
        assert [invocation["count"] for invocation in service.model.calls] == [4]  # type: ignore[attr-defined]


class TestEmbeddingsAsImages:
    def embedding(self, colour: tuple[int, int, int], encoding: str) -> Any:
        answer = ask(make_service(), images=[text(colour)], encoding=encoding)
        return answer["images"][0]["faces"][0]["embedding"]

    @pytest.mark.parametrize("encoding", ["float", "base64"])
    def test_an_embedding_stands_for_its_picture(self, encoding: str) -> None:
        given = {"embedding": self.embedding(RED, encoding), "model": CONTRACT}
        answer = ask(make_service(), images=[text(RED), given])
        assert answer["distance"] < 1e-3
        assert answer["images"][1] == {"index": 1, "width": None, "height": None, "faces": []}

    def test_two_embeddings_need_no_picture(self) -> None:
        service = make_service()
        images = [{"embedding": [1.0, 0, 0]}, {"embedding": [0, 1.0, 0]}]
        assert ask(service, images=images)["distance"] == pytest.approx(2**0.5, abs=1e-6)
        assert not service.model.calls  # type: ignore[attr-defined]

    def test_another_models_embedding_is_refused(self) -> None:
        given = {"embedding": [1.0, 0, 0], "model": "other@ffffffffffff"}
        error = refusal(make_service(), images=[text(RED), given])
        assert (error.code, error.details["image"]) == ("ModelMismatch", 1)
        assert CONTRACT in error.message
        assert "other@ffffffffffff" in error.message

    def test_an_embedding_of_other_weights_under_the_same_id_is_refused(self) -> None:
        retrained = make_service()
        retrained.model.sha256 = "cd" * 32  # type: ignore[misc]
        embedded = ask(retrained, images=[text(RED)])
        given = {
            "embedding": embedded["images"][0]["faces"][0]["embedding"],
            "model": embedded["model"]["contract"],
        }
        assert embedded["model"]["id"] == "tiny"
        assert ask(retrained, images=[text(RED), given])["same"]
        assert refusal(make_service(), images=[text(RED), given]).code == "ModelMismatch"

    def test_an_embedding_named_by_an_id_alone_is_refused(self) -> None:
        given = {"embedding": [1.0, 0, 0], "model": "tiny"}
        assert refusal(make_service(), images=[text(RED), given]).code == "ModelMismatch"

    def test_flipped_embeddings_do_not_meet_plain_ones(self) -> None:
        given = {"embedding": [1.0, 0, 0], "model": CONTRACT}
        assert ask(make_service(), images=[text(RED), given])
        error = refusal(make_service(), images=[text(RED), given], flip=True)
        assert error.code == "ModelMismatch"

    def test_embed_and_detect_want_pictures(self) -> None:
        for operation in ("embed", "detect"):
            event = {"operation": operation, "images": [{"embedding": [1.0, 0, 0]}]}
            assert refusal(make_service(), **event).code == "InvalidRequest"


class TestEmbed:
    def test_each_face_has_a_vector_of_unit_length(self) -> None:
        answer = ask(make_service(), images=[text(RED)])
        vector = answer["images"][0]["faces"][0]["embedding"]
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)

    def test_both_encodings_hold_the_same_numbers(self) -> None:
        event = {"images": [text(RED)]}
        numbers = ask(make_service(), **event)["images"][0]["faces"][0]["embedding"]
        packed = ask(make_service(), **event, encoding="base64")["images"][0]["faces"][0]
        unpacked = np.frombuffer(base64.b64decode(packed["embedding"]), "<f4")
        np.testing.assert_array_equal(np.float32(numbers), unpacked)

    def test_the_options_reach_the_model(self) -> None:
        service = make_service()
        ask(service, images=[text(RED)], flip=True)
        (invocation,) = service.model.calls  # type: ignore[attr-defined]
        assert (invocation["flip"], invocation["standardization"]) == (True, None)

    def test_large_groups_are_cut_into_batches(self) -> None:
        service = make_service(FakeDetector(lambda _: [face_at(0, 0, 9, 9)] * 7), chips_per_batch=3)
        answer = ask(service, operation="embed", images=[text(RED)], face="all")
        assert len(answer["images"][0]["faces"]) == 7
        assert [invocation["count"] for invocation in service.model.calls] == [3, 3, 1]  # type: ignore[attr-defined]

    def test_no_more_faces_than_the_limit_are_worked_on(self) -> None:
        crowd = FakeDetector(lambda _: [face_at(0, 0, 9, 9)] * 50)
        service = make_service(crowd, limits={"faces": 5})
        answer = ask(service, operation="embed", images=[text(RED)], face="all")
        assert len(answer["images"][0]["faces"]) == 5

    @pytest.mark.parametrize(("rule", "width"), [("largest", 20), ("central", 8)])
    def test_the_rule_chooses_the_face(self, rule: str, width: int) -> None:
        answer = ask(make_service(FakeDetector(two_faces)), images=[text(RED)], face=rule)
        (face,) = answer["images"][0]["faces"]
        assert face["box"]["width"] == width


class TestDetect:
    def test_all_faces_are_listed_best_first(self) -> None:
        service = make_service(FakeDetector(two_faces))
        answer = ask(service, operation="detect", images=[text(RED)])
        assert [face["score"] for face in answer["images"][0]["faces"]] == [0.99, 0.9]
        assert not service.model.calls  # type: ignore[attr-defined]

    def test_no_face_is_an_empty_list(self) -> None:
        answer = ask(make_service(), operation="detect", images=[text(BLACK), text(RED)])
        assert [len(image["faces"]) for image in answer["images"]] == [0, 1]

    def test_a_face_without_finite_numbers_is_none(self) -> None:
        detector = FakeDetector(lambda _: [face_at(0, 0, float("nan"), 9), face_at(0, 0, 9, 9)])
        answer = ask(make_service(detector), operation="detect", images=[text(RED)])
        assert len(answer["images"][0]["faces"]) == 1


class TestAligned:
    def test_detection_is_skipped_and_the_whole_picture_is_the_chip(self) -> None:
        service = make_service(FakeDetector(lambda _: pytest.fail("detected")))
        answer = ask(service, images=[text(RED), text(RED)], aligned=True)
        (face,) = answer["images"][0]["faces"]
        assert face["box"] == {"left": 0, "top": 0, "width": 64, "height": 48}

    def test_a_landmark_model_aligns_the_crop_on_its_landmarks(self) -> None:
        service = make_service(manifest=SIMILARITY)
        ask(service, images=[text(RED)], aligned=True)
        chip = service.model.calls[0]["chips"][0]  # type: ignore[attr-defined]
        assert (chip == 0).all(axis=2).any()  # beyond the picture: it was turned or shifted

    def test_where_no_landmarks_are_sure_the_crop_is_taken_as_it_is(self) -> None:
        service = make_service(FakeDetector(sure=False), manifest=SIMILARITY)
        answer = ask(service, images=[text(RED)], aligned=True)
        (face,) = answer["images"][0]["faces"]
        assert (face["landmarks"], face["quality"], face["score"]) == (None, None, 0)
        chip = service.model.calls[0]["chips"][0]  # type: ignore[attr-defined]
        assert (chip == RED).all()


class TestProfileUai:
    def test_it_prewhitens_and_marks_the_model(self) -> None:
        service = make_service()
        answer = ask(service, images=[text(RED)], profile="uai")
        assert answer["model"]["id"] == "tiny+uai"
        assert service.model.calls[0]["standardization"] == "prewhiten"  # type: ignore[attr-defined]

    def test_its_embeddings_do_not_meet_the_others(self) -> None:
        own = ask(make_service(), images=[text(RED)], profile="uai")["model"]["contract"]
        given = {"embedding": [1.0, 0, 0], "model": own}
        assert ask(make_service(), images=[text(RED), given], profile="uai")
        assert refusal(make_service(), images=[text(RED), given]).code == "ModelMismatch"

    def test_a_landmark_model_has_no_such_profile(self) -> None:
        service = make_service(manifest=SIMILARITY)
        error = refusal(service, images=[text(RED)], profile="uai")
        assert (error.code, error.details) == ("InvalidRequest", {"field": "profile"})


NEAR_RED = {"condition": "red", "direction": [1.0, 0.0, 0.0], "norm_weight": 0.0, "limit": 0.9}
NO_RED = {
    "refusal": {
        "crowds": [NEAR_RED],
        "refused": 0.0,
        "strangers_accepted": 0.0,
        "protocol": "made up",
    }
}


class TestDecision:
    def test_an_answer_says_the_rate_it_was_made_at(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(DARK_RED)])
        assert (answer["threshold"], answer["far"]) == (0.5, 0.01)

    def test_a_request_may_name_the_rate(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(DARK_RED)], far=0.001)
        assert (answer["threshold"], answer["far"]) == (pytest.approx(0.3), 0.001)
        between = ask(make_service(), images=[text(RED), text(DARK_RED)], far=10**-2.5)
        assert between["threshold"] == pytest.approx(0.4)

    @pytest.mark.parametrize("far", [1e-4, 0.5])
    def test_a_rate_that_was_not_measured_is_refused_with_the_lowest(self, far: float) -> None:
        error = refusal(make_service(), images=[text(RED), text(RED)], far=far)
        assert (error.code, error.details["field"]) == ("InvalidRequest", "far")
        assert (error.details["lowest"], error.details["highest"]) == (0.001, 0.1)
        assert "0.001" in error.message

    def test_far_and_threshold_together_are_refused(self) -> None:
        error = refusal(make_service(), images=[text(RED), text(RED)], far=0.01, threshold=0.5)
        assert error.code == "InvalidRequest"
        assert "not both" in error.message

    @pytest.mark.parametrize(("threshold", "far"), [(0.3, 0.001), (0.4, 10**-2.5), (1.5, None)])
    def test_a_threshold_has_its_rate_where_one_was_measured(
        self, threshold: float, far: float | None
    ) -> None:
        answer = ask(make_service(), images=[text(RED), text(RED)], threshold=threshold)
        assert answer["far"] == (None if far is None else pytest.approx(far))

    def test_the_setting_makes_the_default_stricter(self) -> None:
        answer = ask(make_service(far=0.001), images=[text(RED), text(DARK_RED)])
        assert (answer["threshold"], answer["far"]) == (pytest.approx(0.3), 0.001)

    def test_the_worst_groups_threshold_can_be_the_default(self) -> None:
        worst = {"far": 0.01, "threshold": 0.25, "group": "a", "pairs": 900, "protocol": ""}
        thresholds = {**MANIFEST["thresholds"], "worst_group": worst}
        service = make_service(manifest={"thresholds": thresholds}, far="worst_group")
        answer = ask(service, images=[text(RED), text(DARK_RED)])
        assert (answer["threshold"], answer["far"]) == (0.25, 0.01)

    def test_an_unmeasured_model_has_neither_rate_nor_similarity(self) -> None:
        unmeasured = {
            "thresholds": {"default_far": None, "default_threshold": 1.1},
            "calibration": None,
        }
        service = make_service(manifest=unmeasured)
        answer = ask(service, images=[text(RED), text(DARK_RED)], face="all")
        assert (answer["threshold"], answer["far"], answer["similarity"]) == (1.1, None, None)
        assert answer["pairs"][0]["similarity"] is None
        assert refusal(service, images=[text(RED), text(RED)], far=0.01).code == "InvalidRequest"

    def test_the_profile_uai_has_neither_rate_nor_similarity(self) -> None:
        answer = ask(make_service(), images=[text(RED), text(DARK_RED)], profile="uai")
        assert (answer["threshold"], answer["far"], answer["similarity"]) == (0.5, None, None)
        error = refusal(make_service(), images=[text(RED)] * 2, profile="uai", far=0.01)
        assert (error.code, error.details["field"]) == ("InvalidRequest", "far")


class TestIndistinctFaces:
    @pytest.mark.parametrize("operation", ["compare", "embed"])
    def test_a_face_that_the_model_cannot_tell_apart_is_low_quality(self, operation: str) -> None:
        service = make_service(manifest=NO_RED)
        error = refusal(service, operation=operation, images=[text(GREEN), text(RED)])
        assert (error.code, error.details["image"]) == ("LowQuality", 1)
        assert error.details["reasons"] == ["indistinct"]

    def test_a_quality_of_zero_compares_it_all_the_same(self) -> None:
        service = make_service(manifest=NO_RED)
        assert ask(service, images=[text(RED), text(RED)], min_quality=0)["same"]
        assert (
            refusal(service, images=[text(RED), text(RED)], min_quality=0.01).code == "LowQuality"
        )

    def test_of_several_faces_the_others_stay(self) -> None:
        """One face is red, one green; only the green one can be told apart."""
        half = np.zeros((40, 80, 3), np.uint8)
        half[:, :40], half[:, 40:] = RED[::-1], GREEN[::-1]
        mixed = base64.b64encode(cv2.imencode(".png", half)[1].tobytes()).decode()
        detector = FakeDetector(lambda _: [face_at(5, 5, 30, 35), face_at(50, 5, 75, 35)])
        service = make_service(detector, manifest=NO_RED)
        answer = ask(service, operation="embed", images=[mixed], face="all")
        (face,) = answer["images"][0]["faces"]
        assert face["box"]["left"] == 49.0  # counted from zero
        compared = ask(service, images=[mixed, mixed], face="all", min_quality=0)
        assert len(compared["images"][1]["faces"]) == 2

    def test_detection_is_not_concerned(self) -> None:
        service = make_service(manifest=NO_RED)
        answer = ask(service, operation="detect", images=[text(RED)])
        assert len(answer["images"][0]["faces"]) == 1

    def test_a_batch_writes_down_why_there_is_no_embedding(self) -> None:
        service = make_service(manifest=NO_RED)
        bad, good = service.embed_pictures([picture(RED), picture(GREEN)])
        assert isinstance(bad, ApiError)
        assert (bad.code, bad.details["reasons"]) == ("LowQuality", ["indistinct"])
        assert isinstance(good, PictureFaces)

    def test_embeddings_made_another_way_were_not_measured(self) -> None:
        service = make_service(manifest=NO_RED)
        assert ask(service, images=[text(RED)], profile="uai")["images"][0]["faces"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "UnsupportedFormat"),
            (b"GIF89a" + bytes(64), "UnsupportedFormat"),
            (picture(RED)[:60], "InvalidImage"),
            (picture(RED, width=300, height=300), "ImageTooLarge"),
        ],
    )
    def test_a_bad_picture_is_named(self, data: bytes, code: str) -> None:
        service = make_service(limits={"pixels": 300 * 299})
        images = [text(RED), base64.b64encode(data).decode()]
        error = refusal(service, images=images)
        assert (error.code, error.details["image"]) == (code, 1)

    def test_low_quality_says_why_and_where(self) -> None:
        error = refusal(make_service(), images=[text(RED), text(RED)], min_quality={"size": 100})
        assert error.code == "LowQuality"
        assert error.details == {"image": 0, "reasons": ["too_small"]}

    def test_time_that_runs_out_is_an_answer_worth_another_try(self) -> None:
        error = refusal(make_service(), FakeContext(remaining_ms=400), images=[text(RED)])
        assert (error.code, error.retryable, error.status) == ("Timeout", True, 503)

    def test_a_large_picture_is_not_begun_without_the_time_to_decode_it(self) -> None:
        large = text(RED, width=4000, height=2000)  # a second of decoding, at worst
        service = make_service()
        assert ask(service, FakeContext(remaining_ms=2000), images=[large])["images"]
        error = refusal(service, FakeContext(remaining_ms=1400), images=[large])
        assert (error.code, error.details["reserve_ms"]) == ("Timeout", 1500)

    def test_a_part_of_a_processor_needs_more_time_to_decode(self) -> None:
        service = make_service(limits={"slowness": 2.0})
        large = text(RED, width=4000, height=2000)
        error = refusal(service, FakeContext(remaining_ms=2400), images=[large])
        assert (error.code, error.details["reserve_ms"]) == ("Timeout", 2500)

    def test_a_lossless_webp_needs_time_for_its_tables_whatever_its_size(self) -> None:
        pixels = np.zeros((100, 100, 3), np.uint8)
        data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        images = [base64.b64encode(data).decode()]
        error = refusal(make_service(), FakeContext(remaining_ms=1700), images=images)
        assert (error.code, error.details["reserve_ms"]) == ("Timeout", 1701)

    @pytest.mark.parametrize(("width", "height"), [(4000, 2000), (16_390, 100)])
    def test_a_picture_too_large_is_refused_as_that_however_little_time_is_left(
        self, width: int, height: int
    ) -> None:
        service = make_service(limits={"pixels": 7_000_000})
        images = [text(RED, width=width, height=height)]
        error = refusal(service, FakeContext(remaining_ms=510), images=images)
        assert error.code == "ImageTooLarge"

    def test_a_model_that_fails_is_unavailable(self) -> None:
        service = make_service()
        service.model.fails = ModelUnavailable("the engine stopped")  # type: ignore[attr-defined]
        assert refusal(service, images=[text(RED)]).code == "ModelUnavailable"


class TestManyPictures:
    def test_results_keep_their_places_and_share_batches(self) -> None:
        service = make_service()
        pictures = [picture(RED), picture(BLACK), b"nonsense", picture(GREEN)]
        results = service.embed_pictures(pictures)
        assert isinstance(results[0], PictureFaces)
        assert isinstance(results[3], PictureFaces)
        assert [getattr(result, "code", None) for result in results] == [
            None,
            "FaceNotFound",
            "UnsupportedFormat",
            None,
        ]
        assert [invocation["count"] for invocation in service.model.calls] == [2]  # type: ignore[attr-defined]
        embedding = results[3].faces[0].embedding
        assert embedding is not None
        assert embedding.argmax() == 1

    def test_no_picture_is_no_work(self) -> None:
        assert make_service().embed_pictures([]) == []

    def test_what_was_embedded_when_time_ran_out_is_kept(self) -> None:
        class Running(FakeContext):
            """Time for three pictures' detection and the first batch of chips."""

            def get_remaining_time_in_millis(self) -> int:
                return 30_000 if not service.model.calls else 100  # type: ignore[attr-defined]

        service = make_service(chips_per_batch=2)
        results = service.embed_pictures([picture(RED)] * 5, Invocation(Running()))
        kinds = [getattr(result, "code", "embedded") for result in results]
        assert kinds == ["embedded"] * 2 + ["Timeout"] * 3

    def test_pictures_that_time_did_not_reach_say_so(self) -> None:
        results = make_service().embed_pictures([picture(RED)], Invocation(FakeContext(100)))
        assert [result.code for result in results if isinstance(result, ApiError)] == ["Timeout"]

    def test_what_was_found_in_time_is_embedded_in_the_time_kept_for_that(self) -> None:
        looks: list[None] = []

        class Running(FakeContext):
            """Time enough to look at two pictures and a half."""

            def get_remaining_time_in_millis(self) -> int:
                looks.append(None)
                return 60_000 if len(looks) <= 7 else 1_000  # three looks at a picture

        service, context = make_service(), Running()
        finding = Invocation(context).begin_part(3_000)
        results = service.embed_pictures([picture(RED)] * 4, Invocation(context), finding)
        kinds = [getattr(result, "code", "embedded") for result in results]
        assert kinds == ["embedded"] * 2 + ["Timeout"] * 2

    def test_a_refusal_that_is_kept_holds_no_frames_with_pictures(self) -> None:
        cut = picture(RED, kind=".jpg")[:-20]
        results = make_service().embed_pictures([b"nonsense", cut, picture(BLACK)])
        assert len(results) == 3
        for result in results:
            assert isinstance(result, ApiError)
            assert (result.__traceback__, result.__cause__, result.__context__) == (None,) * 3


class TestSecondLooks:
    def test_they_are_asked_for_unless_the_caller_says_no(self) -> None:
        detector = FakeDetector()
        service = make_service(detector=detector)
        for event in ({}, {"retry": False}):
            ask(service, operation="detect", images=[text(RED)], **event)
        assert [asked["retry"] for asked in detector.asked] == [True, False]

    def test_their_steps_are_in_the_timings(self) -> None:
        detector = FakeDetector()
        ask(make_service(detector=detector), operation="detect", images=[text(RED)])
        invocation = Invocation(FakeContext())
        assert detector.asked[0]["timed"].__func__ is type(invocation).timed

    def test_none_begins_when_time_is_short(self) -> None:
        detector = FakeDetector()
        context = FakeContext()
        ask(make_service(detector=detector), context, operation="detect", images=[text(RED)])
        has_time = detector.asked[0]["has_time"]
        assert has_time()
        context._remaining_ms = 500
        assert not has_time()
