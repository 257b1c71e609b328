"""Studies in a report: what they say on hover, what stands beside it, and what happens when one is
not done, damaged, or not what its kind leaves."""

import base64
import io
import json
import re
from dataclasses import asdict, replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from harness.method import Needs
from harness.plan.jobs import Job, Omitted, StudyCell, digest
from harness.store import RunStore
from reports.build import build

AUS = (6, 12)
TITLE = "{http://www.w3.org/2000/svg}title"
RNG = np.random.default_rng(0)


def embedding():
    arrays = {
        "xy/hog": RNG.normal(size=(40, 2)).astype(np.float32),
        "xy/fc7": RNG.normal(size=(40, 2)).astype(np.float32),
        "present": (np.arange(40) % 2).astype(np.int8),
        "subject": np.repeat(np.arange(4, dtype=np.int32), 10),
    }
    numbers = {"dimension": 128, "au_purity": 0.71, "au_purity_across": 0.55}
    numbers |= {"subject_purity": 0.93, "subject_silhouette": 0.12, "note": ""}
    values = {
        "au": 12,
        "frames": 40,
        "subjects": 4,
        "subject_ids": ["lab:S01", "lab:S02", "lab:<b>S03</b>", "lab:S04"],
        "subject_chance": 0.23,
        "au_chance": 0.49,
        "features": [
            {"name": "hog", **numbers},
            {"name": "fc7", **numbers, "subject_silhouette": None, "note": "of <another> set"},
        ],
    }
    return values, arrays


def divergence():
    one = {"mean": 3.0, "sd": 0.5, "per_subject": [2.5, 3.0, 3.5], "note": "", "dimension": 9}
    features = [{"name": "shape", **one}, {"name": "own", **one, "note": "mine"}]
    return {"subjects": ["lab:S01", "lab:S02", "lab:S03"], "log": "log10", "features": features}, {}


def filters():
    weights = RNG.normal(size=(20, 5, 5, 3)).astype(np.float32)
    weights[3] = 0
    return {"network": "ANet", "pixels": "rgb"}, {"conv1": weights}


def ascent():
    images = RNG.integers(0, 256, (2, 80, 80, 3)).astype(np.uint8)
    activations = np.array([[4.25, 1.5], [-0.5, 3.0]], np.float32)
    values = {"aus": list(AUS), "iterations": 1000, "starts": 3, "own_largest": 2}
    return values, {"images": images, "activations": activations}


def attention():
    faces = RNG.integers(0, 256, (2, 80, 80, 3)).astype(np.uint8)
    maps = RNG.random((2, 80, 80)).astype(np.float32)
    entry = {"subject": "lab:S01", "sequence": "lab:S01/T1", "number": 7, "label": 1}
    frames = [{**entry, "au": 6, "score": -0.5}, {**entry, "au": 12, "score": 1.25}]
    return {"frames": frames, "left_out": [4]}, {"faces": faces, "cam": maps, "gradients": maps}


def own():
    return {"answer": 42, "share": 0.123456, "list": [1]}, {"map": np.zeros((3, 2))}


LEFT = {
    "maps": ("embedding", embedding),
    "invariance": ("subject-divergence", divergence),
    "first layer": ("filters", filters),
    "wishes": ("ascent", ascent),
    "looks": ("attention", attention),
    "mine": ("mypkg.studies:Mine", own),
}


def with_studies(planted, names=tuple(LEFT), **rest):
    """A plan of one setting with these studies."""
    plan = planted.planted_plan(methods=("svm",), settings=(("lab", "lab"),), aus=AUS)
    first = plan.cells[0]
    jobs, studies = dict(plan.jobs), []
    for name in names:
        key = digest("study", name)
        jobs[key] = Job(
            key=key,
            kind="study",
            title=f"{name} · lab 3-fold",
            group="study",
            needs=(),
            resources=Needs(),
            split=plan.jobs[first.job].split,
            num_frames=100,
            spec={"study": LEFT[name][0], "options": {}, "aus": list(AUS)},
        )
        cell = {k: v for k, v in asdict(first).items() if k != "method"}
        studies.append(StudyCell(**{**cell, "job": key}, study=name, kind=LEFT[name][0]))
    return replace(plan, jobs=jobs, studies=tuple(studies), **rest)


def leave(run, plan, name, values, arrays):
    """What the engine leaves of a finished study."""
    store = RunStore(run)
    key = next(cell.job for cell in plan.studies if cell.study == name)
    cost = {"started": 1_700_000_000.0, "seconds": 1.0, "cpu_seconds": 1.0}
    with store.work_folder(plan.jobs[key]) as work:
        (work / "study.json").write_text(json.dumps(values))
        np.savez(work / "study.npz", **arrays)
        record = {"job": asdict(plan.jobs[key]), "environment": {}, "cost": cost}
        store.commit(plan.jobs[key], work, record, {"cost": cost})
    return store.job_folder(key)


def planted_run(planted, folder, names=tuple(LEFT), skip=(), **rest):
    plan = with_studies(planted, names, **rest)
    run = planted.make_run(folder, plan=plan, aus=AUS)
    for name in names:
        if name not in skip:
            leave(run, plan, name, *LEFT[name][1]())
    return run, plan


@pytest.fixture(scope="module")
def studied(planted, tmp_path_factory):
    run, _ = planted_run(planted, tmp_path_factory.mktemp("studied") / "run")
    return build(run)


def hovers(report, key):
    root = ElementTree.fromstring((report / "figures" / f"{key}.svg").read_text())
    return [node.text for node in root.iter(TITLE)]


def rows_of(report, key):
    data = json.loads((report / "report.json").read_text())
    table = next(table for table in data["tables"] if table["key"] == key)
    return [[entry["text"] for entry in row["entries"]] for row in table["rows"]], table


def test_every_study_has_its_part_of_the_page(studied):
    page = (studied / "report.html").read_text()
    part = page[page.index('id="studies"') :]
    places = [
        part.index(f'id="study-{key}"')
        for key in (
            "maps-lab-3-fold-purity",
            "maps-lab-3-fold-maps",
            "invariance-lab-3-fold-divergence",
            "first-layer-lab-3-fold-filters",
            "wishes-lab-3-fold-pictures",
            "wishes-lab-3-fold-activations",
            "looks-lab-3-fold-attention",
        )
    ]
    assert places[1:] == sorted(places[1:])
    assert "<b>S03" not in page
    assert "of &lt;another&gt; set" in page


def test_the_maps_hold_every_frame_and_name_subjects(studied):
    said = hovers(studied, "study-maps-lab-3-fold-maps")
    assert "hog: frames with AU12 shown" in said
    assert "fc7: lab:<b>S03</b>" in said
    svg = (studied / "figures" / "study-maps-lab-3-fold-maps.svg").read_text()
    assert len(re.findall(r"M[-\d.]+ [-\d.]+h0", svg)) == 2 * 2 * 40
    assert "AU12 purity 71 %" in svg
    assert "subject purity 93 %" in svg


def test_purities_stand_beside_chance(studied):
    rows, _ = rows_of(studied, "study-maps-lab-3-fold-purity")
    assert rows[0][:6] == ["hog", "128", "71.0", "55.0", "93.0", "0.120"]
    assert rows[1][5:] == ["–", "of <another> set"]
    assert rows[2][:5] == ["chance", "–", "49.0", "–", "23.0"]


def test_divergences_stand_apart_from_the_papers(studied):
    said = hovers(studied, "study-invariance-lab-3-fold-divergence")
    assert "shape, lab:S03: 3.50" in said
    assert "shape: 3.00 ± 0.50" in said
    assert "the paper, GFT, fc7: 0.89 ± 0.13" in said
    rows, table = rows_of(studied, "study-invariance-lab-3-fold-divergence-table")
    assert rows[0] == ["shape", "3.00", "0.50", "5.38 ± 0.40", "5.43 ± 0.39", ""]
    assert rows[1] == ["own", "3.00", "0.50", "–", "–", "mine"]
    assert [c["apart"] for c in table["columns"]] == [False, False, False, True, True, False]
    assert not any("mark" in entry for row in table["rows"] for entry in row["entries"])


def pictures(report, key):
    """(format, pixels) of every picture in a figure."""
    svg = (report / "figures" / f"{key}.svg").read_text()
    found = re.findall(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)", svg)
    return [
        (kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")))
        for kind, text in found
    ]


def test_filters_are_there_to_the_pixel_with_grey_for_zero(studied):
    found = pictures(studied, "study-first-layer-lab-3-fold-filters")
    assert len(found) == 20
    assert all(kind == "png" and image.shape == (5, 5, 3) for kind, image in found)
    assert np.unique(found[3][1]).tolist() == [128]
    assert max(np.abs(found[0][1].astype(int) - 127.5).max(), 0) == 127.5


def test_wishes_say_what_they_excite(studied):
    assert "picture for AU6, logit of AU12: +1.50" in hovers(
        studied, "study-wishes-lab-3-fold-activations"
    )
    said = hovers(studied, "study-wishes-lab-3-fold-pictures")
    assert said[0].startswith("picture for AU6: its logit is +4.2")
    assert len(pictures(studied, "study-wishes-lab-3-fold-pictures")) == 2


def test_where_it_looks_is_three_pictures_a_frame(studied):
    key = "study-looks-lab-3-fold-attention"
    found = pictures(studied, key)
    assert len(found) == 6
    assert all(image.shape == (80, 80, 3) for _, image in found)
    assert "AU12, lab:S01/T1, frame 7, score +1.25" in hovers(studied, key)
    captions = json.loads((studied / "report.json").read_text())["figures"]
    assert "No frame shows AU4." in next(f["caption"] for f in captions if f["key"] == key)


def test_a_study_of_somebodys_own_is_a_table_of_its_values(studied):
    rows, table = rows_of(studied, "study-mine-lab-3-fold-values")
    assert rows == [["answer", "42"], ["share", "0.1235"]]
    assert table["notes"] == ["Arrays in study.npz: map (3, 2)."]


def test_what_is_not_done_or_damaged_is_said_and_the_rest_drawn(planted, tmp_path):
    omitted = (Omitted(name="wishes", setting="group 3-fold", reason="no CNN reads group"),)
    run, plan = planted_run(planted, tmp_path / "run", skip=("wishes",), omitted=omitted)
    store = RunStore(run)
    keys = {cell.study: cell.job for cell in plan.studies}
    damaged = store.job_folder(keys["looks"]) / "study.npz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    store.record_failure(plan.jobs[keys["wishes"]], {"error": "OSError: disk full", "seconds": 1})
    # Whole, but not what an embedding leaves.
    folder = store.job_folder(keys["maps"])
    (folder / "result.json").unlink()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    leave(run, plan, "maps", {"au": 12, "features": [{"name": "hog"}]}, {})
    report = build(run)
    data = json.loads((report / "report.json").read_text())
    assert set(data["problems"]) == {keys["looks"], keys["maps"]}
    page = (report / "report.html").read_text()
    assert "study.npz is missing or damaged" in page
    assert "failed, OSError: disk full" in page
    assert "left out, no CNN reads group" in page
    shown = {figure["key"] for figure in data["figures"]}
    assert "study-first-layer-lab-3-fold-filters" in shown
    assert not any(key.startswith(("study-looks", "study-maps", "study-wishes")) for key in shown)
    rows, _ = rows_of(report, "unfinished")
    assert [row[1] for row in rows] == ["damaged", "failed"]


def test_of_several_seeds_the_first_done_is_shown(planted, tmp_path):
    plan = with_studies(planted, ("first layer",))
    (one,) = plan.studies
    other = digest("study", "seed 1")
    jobs = {**plan.jobs, other: replace(plan.jobs[one.job], key=other)}
    plan = replace(plan, jobs=jobs, studies=(one, replace(one, seed=1, job=other)))
    run = planted.make_run(tmp_path / "run", plan=plan, aus=AUS)
    leave(run, replace(plan, studies=plan.studies[1:]), "first layer", *filters())
    data = json.loads((build(run) / "report.json").read_text())
    (title,) = [f["title"] for f in data["figures"] if f["key"].startswith("study-")]
    assert title == "Filters of the first layer (first layer, lab 3-fold, seed 1 (2 seeds))"


def test_patches_are_averaged_over_folds_and_a_damaged_file_is_said(planted, tmp_path):
    plan = planted.planted_plan(methods=("svm",), settings=(("lab", "lab"),), aus=AUS)
    run = planted.make_run(tmp_path / "run", plan=plan, aus=AUS)
    store = RunStore(run)
    landmarks = np.stack([np.linspace(40, 160, 49)] * 2, axis=1).astype(np.float32)
    for fold, cell in enumerate(plan.cells):
        importance = np.zeros((2, 49), np.float32)
        importance[1, 30] = fold / 2  # 0, .5 and 1
        folder = store.job_folder(cell.job)
        np.savez(
            folder / "patches.npz",
            importance=importance,
            landmarks=landmarks,
            mean_face=np.full((200, 200, 3), 90, np.uint8),
        )
        planted.record_digest(store, cell.job, "patches.npz")
    key = "lab-3-fold-patches-svm"
    assert hovers(build(run), key) == ["AU12, landmark 31: 0.50"]
    damaged = store.job_folder(plan.cells[0].job) / "patches.npz"
    damaged.write_bytes(b"")
    report = build(run)
    assert hovers(report, key) == ["AU12, landmark 31: 0.75"]
    assert "its patches cannot be read" in (report / "report.html").read_text()
