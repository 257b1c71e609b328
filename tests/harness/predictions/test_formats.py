"""One set of predictions, written as each toolkit would: every reader gives the same frames."""

import numpy as np
import pandas as pd
import pytest

from harness.errors import UserError
from harness.predictions.formats import predictions_digest, read_predictions
from harness.predictions.matching import match
from tests.harness.predictions.written import (
    plain,
    pyfeat,
    values_of,
    write_libreface,
    write_openface,
)


@pytest.fixture
def table(toy_dataset):
    return toy_dataset.table


def scores(path, table, kind, threshold=None):
    found = read_predictions(path, kind)
    return found.format, match(found, table, table.aus, kind=kind, threshold=threshold)


def test_openface(table, tmp_path):
    values = values_of(table)
    write_openface(tmp_path, table, values)
    name, matched = scores(tmp_path, table, "presence")
    assert name == "openface"
    np.testing.assert_array_equal(matched.scores > 0, values >= 0.5)
    _, matched = scores(tmp_path, table, "intensity", 2)
    np.testing.assert_allclose(matched.scores, 5 * values - 2, atol=1e-3)
    with pytest.raises(UserError, match="holds no probability: use --kind presence or intensity"):
        read_predictions(tmp_path, "probability")


def test_a_frame_without_a_face_is_no_prediction_of_absence(table, tmp_path):
    write_openface(tmp_path, table, values_of(table))
    file = tmp_path / "S001_T1.csv"
    lines = file.read_text().splitlines()
    lines[5] = lines[5].replace(",0.98,1,", ",0.02,0,")
    file.write_text("\n".join(lines) + "\n")
    found = read_predictions(tmp_path, "presence")
    assert found.no_face.sum() == 1
    with pytest.raises(UserError, match=r"1 of 240 frames .* toy:S001/T1 frame 5; --missing"):
        match(found, table, table.aus, kind="presence")
    matched = match(found, table, table.aus, kind="presence", absent_where_missing=True)
    assert (matched.scores[4] < 0).all()
    assert "counted as absent: toy:S001/T1 frame 5" in matched.notes[1]


def test_pyfeat(table, tmp_path):
    values = values_of(table)
    pyfeat(table, values).to_csv(tmp_path / "all.csv", index=False)
    name, matched = scores(tmp_path / "all.csv", table, "probability")
    assert name == "pyfeat"
    np.testing.assert_allclose(1 / (1 + np.exp(-matched.scores.clip(-80))), values, atol=1e-6)
    assert "+1 on frame numbers" in matched.notes[0]


def test_libreface(table, tmp_path):
    values = values_of(table)
    write_libreface(tmp_path, table, values)
    name, matched = scores(tmp_path, table, "presence")
    assert name == "libreface"
    np.testing.assert_array_equal(matched.scores > 0, values >= 0.5)
    _, matched = scores(tmp_path, table, "intensity", 2.5)
    np.testing.assert_allclose(matched.scores, 5 * values - 2.5, atol=1e-5)


def test_plain_in_any_order_as_csv_or_parquet_with_subjects(table, tmp_path):
    values = values_of(table)
    data = plain(table, values).sample(frac=1, random_state=0)
    data["subject"] = [s.split(":")[1].split("/")[0] for s in data["sequence"]]
    data["sequence"] = [s.split("/")[1] for s in data["sequence"]]
    data.to_csv(tmp_path / "a.csv", index=False)
    data.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        _, matched = scores(tmp_path / name, table, "probability")
        np.testing.assert_allclose(1 / (1 + np.exp(-matched.scores.clip(-80))), values, atol=1e-6)


def test_the_digest_follows_content_and_names(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    first = predictions_digest(tmp_path)
    assert predictions_digest(tmp_path) == first
    (tmp_path / "a.csv").write_text("x\n2\n")
    second = predictions_digest(tmp_path)
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    assert len({first, second, predictions_digest(tmp_path)}) == 3


DAMAGES = {
    "other columns": ("a,b\n1,2\n", "no format fits its columns"),
    "no rows": ("sequence,number,AU1\n", "holds no rows"),
    "empty": ("", "cannot be read as a table"),
    "binary": (b"\xff\xfe\x00\x01\x80", "cannot be read as a table"),
    "one AU twice": ("sequence,number,AU1,AU01\ns,1,0,0\n", "two columns for AU1"),
    "one column twice": ("sequence,number,AU1,AU1\ns,1,0,0\n", "two columns named 'AU1'"),
    "frame numbers with fractions": (
        "sequence,number,AU1\ns,1.5,0\ns,x,0\ns,3,0\n",
        "2 cells of column 'number' are not whole frame numbers: 1.5, x",
    ),
    "a frame number beyond all": (
        "sequence,number,AU1\ns,1,0\ns,1e30,0\n",
        "1 cells of column 'number' are not whole frame numbers: 1e\\+30",
    ),
    "no name of a sequence": (
        "sequence,number,AU1\ns,1,0\n,1,0\nt,1,0\n,2,0\n",
        "2 cells of column 'sequence' are empty: in rows 2, 4",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_read_is_one_line(damage, tmp_path):
    content, message = DAMAGES[damage]
    file = tmp_path / "p.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_predictions(file, "score")
    assert "\n" not in str(caught.value)


def test_places_without_predictions(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for place, message in (
        (tmp_path, "holds no .csv"),
        (tmp_path / "notes.txt", "read from .csv"),
        (tmp_path / "nowhere.csv", "no such file"),
    ):
        with pytest.raises(UserError, match=message):
            read_predictions(place, "score")


def test_files_must_agree_on_their_aus(tmp_path):
    pd.DataFrame({"number": [1], "AU1": [0]}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"number": [1], "AU2": [0]}).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(UserError, match=r"b\.csv has AUs 2, .*a\.csv has AUs 1"):
        read_predictions(tmp_path, "score")
