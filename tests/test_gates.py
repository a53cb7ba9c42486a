"""Gates: what they measure, what they say of people, the files of verdicts and decisions, the command."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import camera
from hostile_files import mutated
from job_tools import POISON, person, run_quick, write_folder, write_frame
from test_fitter import quick, seen
from test_result import people

from smplifyx.commands.gate import table_lines
from smplifyx.commands.options import GateOptions
from smplifyx.config import ConfigError, preset_names
from smplifyx.fitting.result import FitResult, Penetration
from smplifyx.fitting.start_check import StartCheck
from smplifyx.fitting.uncertainty import ShapeUncertainty
from smplifyx.gates.decisions import DecisionsError, read_decisions
from smplifyx.gates.expected_error import load_person_errors
from smplifyx.gates.facts import GateFacts, GatePart
from smplifyx.gates.gate import Gate, GateTest, gate_name, gate_names, load_gate
from smplifyx.gates.measures import MEASURES, Measure, measured
from smplifyx.gates.verdict import (
    Verdict,
    judge,
    judge_all,
    losses,
    margin_for,
    margins,
    scores,
    values_of,
)
from smplifyx.gates.verdict_table import (
    COLUMNS,
    VerdictFileError,
    read_verdicts,
    write_verdicts,
)
from smplifyx.jobs.gating import gated_people
from smplifyx.jobs.pictures.gate_sheet import SheetPeople
from smplifyx.jobs.store import Store
from smplifyx.keypoints import names

BODY, HAND, SHAPE = GatePart.BODY, GatePart.LEFT_HAND, GatePart.SHAPE


def told(count: int = 3) -> FitResult:
    """Made-up people of whom everything is told, all finite."""
    result = people(count)
    energy = torch.ones(count)
    return result.replace(
        energy=energy,
        shape=ShapeUncertainty(1.7 * energy, 0.1 * energy, 0.3 * energy),
        energies={"pose_prior": 4 * energy, "bone_depth": 2 * energy},
        status=torch.zeros(count, dtype=torch.long),
        joint_covariance=1e-4 * torch.eye(3).expand(count, 67, 3, 3),
        held_out=torch.full((count, 25), 3.0),
        penetration=Penetration(torch.zeros(count), torch.zeros(count, dtype=torch.long)),
    )


def one_test(measure: Measure, part: GatePart = BODY, **bounds: object) -> GateTest:
    return GateTest(part=part, measure=measure, **bounds)  # type: ignore[arg-type]


def gate_of(*tests: GateTest, needed: tuple[GatePart, ...] = (BODY,)) -> Gate:
    return Gate(summary="tested", source="here", needed=needed, tests=tests)


def measure(result: FitResult, which: Measure, part: GatePart = BODY, least: float = 0.1) -> list:
    return measured(which, GateFacts.of(result), part, least).tolist()


@pytest.mark.parametrize("name", gate_names())
def test_every_gate_judges(name: str) -> None:
    verdicts = judge_all(load_gate(name), values_of(load_gate(name), GateFacts.of(told())), name)
    assert len(verdicts) == 3 and {verdict.by for verdict in verdicts} == {name}


def test_gates_are_no_presets() -> None:
    assert {"smplifyx", "spin", "hmr2", "camsmplify", "eft", "i2l"} <= set(gate_names())
    assert not set(gate_names()) & set(preset_names())


@pytest.mark.parametrize("which", MEASURES)
def test_measures_are_of_each_person_alone(which: Measure) -> None:
    result = told(4)
    for part in MEASURES[which].parts:
        together = measured(which, GateFacts.of(result), part, 0.1)
        alone = [measured(which, GateFacts.of(result[i]), part, 0.1) for i in range(4)]
        torch.testing.assert_close(together, torch.stack(alone), rtol=1e-5, atol=1e-6)
        assert together.isfinite().all()


def test_measures_say_what_their_names_say() -> None:
    result = told(2)
    far = result.keypoints.xy.clone()
    far[1, names.LEFT_HAND] += 50.0
    confidence = torch.full_like(result.keypoints.confidence, 0.9)
    confidence[1, names.LEFT_HAND.start : names.LEFT_HAND.start + 5] = 0.2
    confidence[1, names.POINT_INDEX["left_knee"]] = 0.0
    result = result.replace(keypoints=result.keypoints.replace(xy=far, confidence=confidence))
    assert measure(result, Measure.POINTS, HAND) == [21, 21]
    assert measure(result, Measure.POINTS, HAND, 0.5) == [21, 16]
    assert measure(result, Measure.LIMB_JOINTS) == [12, 11]
    residual = measure(result, Measure.RESIDUAL, HAND)
    assert residual[1] > 5 * residual[0]
    diagonal = result.keypoints.box_diagonal(confidence >= 0.1)
    assert measure(result, Measure.HELD_OUT) == pytest.approx((300 / diagonal).tolist())
    assert measure(result, Measure.JOINT_SD) == pytest.approx([1000 * math.sqrt(3e-4)] * 2)
    assert measure(result, Measure.LARGEST_BETA, SHAPE) == pytest.approx(
        result.params.betas.abs().amax(-1).tolist()
    )


def test_losses_of_peers_are_theirs() -> None:
    """Of points that are all off by the same distance, worked out by hand."""
    result = told(1)
    confidence = torch.full_like(result.keypoints.confidence, 0.5)
    xy = result.points2d.nan_to_num()
    box = (xy[:, names.BODY].amax(1) - xy[:, names.BODY].amin(1)).amax() * 1.2
    shifted = result.points2d + torch.tensor([3.0, 0.0])
    result = result.replace(
        points2d=shifted, keypoints=result.keypoints.replace(xy=xy, confidence=confidence)
    )

    def robust(crop: float) -> float:
        square = float(3.0 * crop / box) ** 2
        return 1e4 * square / (1e4 + square)

    assert measure(result, Measure.SPIN_LOSS) == pytest.approx([0.25 * robust(224) * 22 / 25], 1e-3)
    assert measure(result, Measure.HMR2_LOSS) == pytest.approx([25 * 0.25 * robust(256)], 1e-3)
    assert measure(result, Measure.EFT_LOSS) == pytest.approx([0.5 * float(6 / box) ** 2 / 2], 1e-3)


def test_the_expected_error_grows_with_everything_on_its_card() -> None:
    card = load_person_errors().body
    assert {Measure.HELD_OUT.value, Measure.JOINT_SD.value} <= set(card.powers)
    result = told(1)
    (least,) = measure(result, Measure.EXPECTED_ERROR)
    worse = {
        "held out": result.replace(held_out=3 * result.held_out),
        "covariance": result.replace(joint_covariance=9 * result.joint_covariance),
        "pose": result.replace(energies=result.energies | {"pose_prior": torch.tensor([40.0])}),
    }
    for what, one in worse.items():
        assert measure(one, Measure.EXPECTED_ERROR)[0] > 1.05 * least, what


def test_what_a_result_does_not_tell_rejects_it_but_where_that_is_asked_for() -> None:
    result = told(1).replace(penetration=None, joint_covariance=None)
    strict = gate_of(one_test(Measure.PENETRATION, at_most=10))
    (verdict,) = judge_all(strict, values_of(strict, GateFacts.of(result)))
    assert not verdict.kept and verdict.reasons[BODY] == "body inside itself by: not told"
    assert verdict.score == -math.inf
    mild = gate_of(one_test(Measure.PENETRATION, at_most=10, keep_unknown=True))
    assert judge(mild, result[0]).kept
    assert math.isnan(measure(result, Measure.EXPECTED_ERROR)[0])


def test_a_prediction_that_was_kept_is_no_fit_of_ours() -> None:
    result = told(2)
    kept = torch.tensor([False, True])
    check = StartCheck(torch.ones(2), torch.ones(2), torch.ones(2), kept)
    assert measure(result.replace(start=check), Measure.KEPT_START) == [0, 1]
    assert measure(result, Measure.KEPT_START) == [0, 0]
    gate = gate_of(one_test(Measure.KEPT_START, at_most=0.5, ranks=False))
    values = values_of(gate, GateFacts.of(result.replace(start=check)))
    assert [verdict.kept for verdict in judge_all(gate, values)] == [True, False]


MARGINS = [
    ({"at_most": 10}, 5.0, 0.5),
    ({"at_most": 10}, 10.0, 0.0),
    ({"at_most": 10}, 20.0, -1.0),
    ({"at_least": 10}, 20.0, 0.5),
    ({"at_least": 10}, 10.0, 0.0),
    ({"at_least": 10}, 0.0, -math.inf),
    ({"at_most": 10, "ranks": False}, 9.0, 1.0),
    ({"at_most": 10, "ranks": False}, 11.0, -math.inf),
    ({"at_most": 10}, math.nan, -math.inf),
    ({"at_most": 10, "keep_unknown": True}, math.nan, 1.0),
]


@pytest.mark.parametrize(("bounds", "value", "margin"), MARGINS)
def test_a_margin_is_how_far_a_bound_is_met(
    bounds: dict[str, float], value: float, margin: float
) -> None:
    test = one_test(Measure.SHAPE_SD, **bounds)
    assert float(margins(test, torch.tensor([value]))) == pytest.approx(margin)


def test_the_bound_moves_to_the_share_that_is_asked_for() -> None:
    gate = gate_of(
        one_test(Measure.EXPECTED_ERROR, at_most=50),
        one_test(Measure.STATUS, at_most=1, ranks=False),
        one_test(Measure.POINTS, HAND, at_least=8),
    )
    error = torch.arange(10.0, 110.0, 10.0)
    status = torch.zeros(10)
    status[0] = 2  # of the least error, and poor
    values = torch.stack([error, status, torch.full((10,), 5.0)], -1)
    for share, kept in ((0.3, 3), (0.8, 8), (1.0, 9)):
        margin = margin_for(scores(gate, values), share)
        verdicts = judge_all(gate, values, margin=margin)
        assert sum(verdict.kept for verdict in verdicts) == kept
        assert not verdicts[0].kept and verdicts[1].kept
        # the bounds of parts that are not needed stay
        assert verdicts[1].reasons[HAND] == "keypoints seen 5, at least 8"
    moved = losses(gate, values, margin_for(scores(gate, values), 0.3))
    assert [loss.bound for loss in moved] == pytest.approx([40, 1, 8])
    assert [(loss.lost, loss.alone) for loss in moved] == [(6, 6), (1, 1), (10, 10)]


def test_a_person_is_lost_with_a_part_that_is_needed() -> None:
    tests = (one_test(Measure.LARGEST_BETA, SHAPE, at_most=3), one_test(Measure.POINTS, at_least=5))
    values = torch.tensor([[4.0, 20.0], [1.0, 20.0]])
    (alone, _) = judge_all(gate_of(*tests), values)
    assert alone.kept and alone.reasons == {SHAPE: "largest beta 4, at most 3"}
    lost, kept = judge_all(gate_of(*tests, needed=(BODY, SHAPE)), values)
    assert not lost.kept and kept.kept and kept.reasons == {}


WRONG_GATES = [
    ("tests: []", "tests"),
    ("needed: []\ntests: [{part: body, measure: points, at_most: 1}]", "needed"),
    ("tests: [{part: body, measure: points}]", "either at_most or at_least"),
    (
        "tests: [{part: body, measure: points, at_most: 1, at_least: 2}]",
        "either at_most or at_least",
    ),
    ("tests: [{part: nose, measure: points, at_most: 1}]", "one of body, left_hand"),
    ("tests: [{part: body, measure: beauty, at_most: 1}]", "one of points"),
    ("tests: [{part: face, measure: held_out_percent, at_most: 1}]", "is of body, not of face"),
    ("tests: [{part: body, measure: points, at_most: -1}]", "above 0"),
    ("tests: [{part: body, measure: points, at_most: .inf}]", "at_most"),
    ("tests: [{part: body, measure: points, at_most: 1}]\nmore: 2", "more: there is no such field"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_GATES)
def test_a_wrong_gate_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"summary: s\nsource: t\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_gate(path)
    message = str(caught.value)
    assert said in message and "mine.yaml" in message and "\n" not in message


def test_gates_go_by_name_or_by_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("summary: s\nsource: t\ntests: [{part: body, measure: points, at_least: 5}]\n")
    assert gate_name(path) == "mine" and load_gate(path).tests[0].at_least == 5
    with pytest.raises(ConfigError, match="no gate 'other'; there are camsmplify"):
        load_gate("other")
    with pytest.raises(ConfigError, match="no gate"):
        load_gate("../smplx")


def test_verdicts_come_back_from_their_table(tmp_path: Path) -> None:
    written = {
        ("a/b, c", 0): Verdict(True, {HAND: 'not "seen"'}, 0.25, "mine"),
        ("=1+1", 12): Verdict(False, {BODY: "=too far", SHAPE: "x; y"}, -math.inf, "hand"),
        ("c", 0): Verdict(False, {BODY: "not fitted"}, math.nan, "mine"),
    }
    write_verdicts(tmp_path / "gates" / "mine.csv", written.items())
    lines = (tmp_path / "gates" / "mine.csv").read_text().splitlines()
    assert lines[0] == "stem,person,verdict,body,left_hand,right_hand,face,shape,score,by"
    read = read_verdicts(tmp_path / "gates" / "mine.csv")
    assert list(read) == list(written)
    for who, verdict in written.items():
        assert (read[who].kept, dict(read[who].reasons), read[who].by) == (
            verdict.kept,
            verdict.reasons,
            verdict.by,
        )
        assert read[who].score == verdict.score or math.isnan(verdict.score)


WRONG_TABLES = [
    ("", "columns"),
    ("stem,person\na,0\n", "columns"),
    ("a,0,kept\n", "line 2: 3 cells"),
    ("a,0,perhaps,,,,,,0.5,x\n", "expected kept or rejected, got 'perhaps'"),
    ("a,-1,kept,,,,,,0.5,x\n", "person"),
    ("a,0,kept,,,,,,high,x\n", "score"),
    ("a,0,kept,,,,,,1,x\na,0,kept,,,,,,1,x\n", "a 0 again"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_TABLES)
def test_a_wrong_table_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    head = "" if said == "columns" else ",".join(COLUMNS) + "\n"
    path.write_text(head + text)
    with pytest.raises(VerdictFileError) as caught:
        read_verdicts(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_tables_and_decisions_are_one_clear_line(tmp_path: Path) -> None:
    write_verdicts(tmp_path / "x.csv", {("a", 0): Verdict(True, {}, 0.5, "x")}.items())
    (tmp_path / "x.json").write_text(decisions(("a", 0, "kept")))
    for path, read in ((tmp_path / "x.csv", read_verdicts), (tmp_path / "x.json", read_decisions)):
        content = path.read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(60):
            path.write_bytes(mutated(content, rng))
            try:
                read(path)
            except (VerdictFileError, DecisionsError) as error:
                assert "\n" not in str(error) and str(path) in str(error)


def decisions(*given: tuple[str, int, str]) -> str:
    return json.dumps({
        "smplifyx_gate": "mine",
        "decisions": [
            {"stem": stem, "person": number, "verdict": verdict} for stem, number, verdict in given
        ],
    })  # fmt: skip


WRONG_DECISIONS = [
    ("[]", "not decisions|a table"),
    ("{", "not decisions"),
    ('{"smplifyx_gate": "x"}', "decisions: missing"),
    (decisions(("a", 0, "maybe")), "kept or rejected"),
    (decisions(("a", -1, "kept")), "person"),
    (decisions(("", 0, "kept")), "stem"),
    ('{"smplifyx_gate": "x", "decisions": [], "more": 1}', "no such field"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_DECISIONS)
def test_wrong_decisions_are_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DecisionsError, match=said) as caught:
        read_decisions(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_the_last_decision_counts(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(decisions(("a", 0, "kept"), ("a", 0, "rejected")))
    assert read_decisions(tmp_path / "x.json") == {("a", 0): False}


def test_a_hand_decides_what_is_needed_and_leaves_the_rest() -> None:
    judged = Verdict(False, {BODY: "far off", HAND: "unseen"}, -0.5, "mine")
    assert judged.by_hand(True, (BODY,)) == Verdict(True, {HAND: "unseen"}, -0.5, "hand")
    kept = Verdict(True, {HAND: "unseen"}, 0.5, "mine")
    rejected = kept.by_hand(False, (BODY,))
    assert not rejected.kept and rejected.reasons[BODY] == "rejected by hand"


def quick_gate() -> Gate:
    """One that the people of `quick_fit` can pass."""
    return gate_of(one_test(Measure.POINTS, at_least=20), one_test(Measure.RESIDUAL, at_most=5))


def test_everybody_has_a_line_whatever_became_of_them(tmp_path: Path) -> None:
    store = run_quick(write_folder(tmp_path / "in"), tmp_path / "out").store
    store.result("frame_001", 0).write_bytes(b"broken")
    given = {("frame_000", 0): False, ("g_few", 0): True, ("i_poison", 1): True, ("else", 3): True}
    found = gated_people(store, quick_gate(), "mine", decisions=given)
    verdicts = dict(found.verdicts)
    with open(tmp_path / "out" / "summary.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["person"]]
    assert list(verdicts) == [(row["stem"], int(row["person"])) for row in rows]
    assert verdicts["frame_000", 0].by == "hand" and not verdicts["frame_000", 0].kept
    assert verdicts["g_few", 0].by == "hand" and verdicts["g_few", 0].kept
    assert verdicts["frame_001", 0].reasons[BODY] == "its result cannot be read"
    assert verdicts["i_poison", 1].reasons[BODY].startswith("not fitted: failed: ")
    assert verdicts["i_poison", 1].by == "mine"  # there is nothing to decide on
    assert verdicts["i_poison", 0].kept
    assert set(found.undecided) == {("i_poison", 1), ("else", 3)}


def test_the_share_is_kept_of_those_who_were_fitted(tmp_path: Path) -> None:
    for number in range(10):
        write_frame(tmp_path / "in", f"f{number}", [person(number, points=10 + number)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    gate = gate_of(one_test(Measure.POINTS, at_least=100))
    assert not any(verdict.kept for _, verdict in gated_people(store, gate, "mine").verdicts)
    kept = [
        stem
        for (stem, _), verdict in gated_people(store, gate, "mine", keep=0.3).verdicts
        if verdict.kept
    ]
    assert kept == ["f7", "f8", "f9"]


def test_the_table_that_is_printed_fits_a_terminal(tmp_path: Path) -> None:
    store = run_quick(write_folder(tmp_path / "in"), tmp_path / "out").store
    lines = table_lines(gated_people(store, load_gate("smplifyx"), "smplifyx"))
    assert max(map(len, lines)) <= 80
    assert re.fullmatch(r"\d+ of \d+ people kept \(.* %\)", lines[0])


def content_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_the_sheet_shows_everybody_and_needs_nothing_else(tmp_path: Path) -> None:
    write_frame(tmp_path / "in", "a<b>&'", [person(1), person(2, nose=POISON)])
    write_frame(tmp_path / "in", "b", [person(3)])
    store = run_quick(tmp_path / "in", tmp_path / "out").store
    sheet = SheetPeople(store)
    gate = quick_gate()
    found = gated_people(store, gate, "mine", look=sheet.look)
    page = sheet.write(store.gate("mine", ".html"), gate, "mine", found)
    content = content_of(page)
    assert content["file"] == "mine.decisions.json"
    told_of = {(card["stem"], card["person"]): card for card in content["people"]}
    assert list(told_of) == [who for who, _ in found.verdicts]
    for who, verdict in found.verdicts:
        card = told_of[who]
        assert card["kept"] == verdict.kept and card["by"] == verdict.by
        assert card["overlay"] == card["turned"] == ""  # nothing was drawn
        assert bool(card["front"]) == (who in found.values)
        assert all(-0.01 <= x <= 1.01 for place in card["front"] if place for x in place)
    text = page.read_text(encoding="utf-8")
    assert (
        "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    )
    assert text.count("</script>") == 2


def test_the_command_writes_its_files_and_resumed_jobs_keep_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from smplifyx.cli import main

    out = run_quick(write_folder(tmp_path / "in"), tmp_path / "out").store.root
    (tmp_path / "d.json").write_text(decisions(("frame_000", 0, "kept"), ("nobody", 7, "kept")))

    def call(*words: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return int(ended.value.code or 0)

    assert call("gate", out, "--gate", "hmr2", "--sheet", "--apply", tmp_path / "d.json") == 0
    said = capsys.readouterr()
    assert (
        "hmr2.html" in said.out
        and "1 of 2 decisions name nobody with a result here (nobody 7)" in said.err
    )
    verdicts = read_verdicts(out / "gates" / "hmr2.csv")
    assert verdicts["frame_000", 0] == replace(verdicts["frame_000", 0], kept=True, by="hand")
    (out / "gates" / ".hmr2.csv.123.tmp").write_text("half")
    run_quick(tmp_path / "in", out)
    assert sorted(path.name for path in (out / "gates").iterdir()) == ["hmr2.csv", "hmr2.html"]
    run_quick(tmp_path / "in", out, overwrite=True)
    assert not (out / "gates").exists()

    assert call("gate", tmp_path / "in") == 2
    assert "config.yaml" in capsys.readouterr().err
    assert call("gate", out, "--keep", "1.5") == 2
    assert "--keep" in capsys.readouterr().err
    assert call("gate", out, "--apply", tmp_path / "missing.json") == 2
    assert "--apply" in capsys.readouterr().err


def test_real_fits_tell_all_that_our_gate_asks(tmp_path: Path) -> None:
    result = quick().fit(seen(), camera(len(seen().confidence), torch.float32))
    gate = load_gate("smplifyx")
    body = [test for test in gate.tests if test.part is BODY and not test.keep_unknown]
    values = values_of(gate_of(*body), GateFacts.of(result[:2]))
    assert values.isfinite().all()
    assert GateOptions(out=tmp_path).gate == "smplifyx" and isinstance(Store(tmp_path), Store)
