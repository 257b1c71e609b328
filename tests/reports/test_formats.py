"""One table, four formats: the same numbers and marks in all, and nothing in a name gets out."""

import io
import json

import pandas as pd
import pytest

from reports.formats.comma_separated import csv_table
from reports.formats.latex import escape as latex_escape
from reports.formats.latex import latex_table
from reports.formats.markdown import markdown_table
from reports.table import Column, Entry, Row, Table, number, percent, slug, text

NASTY = "<script>alert(1)</script> & 50% of $x_1$ | a\\b {c} #1 ~^ `d` *e*\nnew [f]"


@pytest.fixture
def table():
    return Table(
        key="t",
        title=f"Title {NASTY}",
        columns=(
            Column(key="method", title="Method", kind="text"),
            Column(key="f1", title="F1", group="lab | x"),
            Column(key="other", title=NASTY, apart=True),
        ),
        rows=(
            Row(
                entries=(
                    text(NASTY),
                    percent(0.5391, low=0.51, high=0.562, mark="best"),
                    number(float("nan")),
                )
            ),
            Row(
                entries=(
                    text("=SUM(A1)"),
                    percent(0.53, low=0.5, high=0.55, mark="second", level=True),
                    Entry(text="failed", state="failed", note="boom"),
                )
            ),
            Row(entries=(text("mean"), percent(0.1, state="partial"), number(1.0)), role="mean"),
        ),
        facts=(("pooling", "pooled over 3 folds"), ("frame set", "abc123")),
        notes=("a caveat",),
    )


def test_markdown_shows_marks_and_keeps_its_columns(table):
    shown = markdown_table(table)
    lines = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(lines) == 5
    for line in lines:
        assert line.replace("\\|", "").count("|") == 4
    assert "**53.9**" in shown
    assert "<ins>53.0</ins>°" in shown
    assert "| failed |" in shown
    assert "10.0\\*" in shown
    assert "<script>" not in shown
    assert "pooling: pooled over 3 folds; frame set: abc123." in shown


def test_csv_reads_back_with_full_numbers_and_marks(table):
    frame = pd.read_csv(io.StringIO(csv_table(table)), comment="#")
    assert list(frame["f1"]) == pytest.approx([53.91, 53.0, 10.0])
    assert list(frame["f1_low"][:2]) == pytest.approx([51.0, 50.0])
    assert list(frame["f1_mark"].fillna("")) == ["best", "second level", ""]
    assert frame["other"].tolist()[1] == "failed"
    assert pd.isna(frame["other"][0])
    assert frame["method"][1] == "'=SUM(A1)"
    assert csv_table(table).splitlines()[1] == "# pooling: pooled over 3 folds; frame set: abc123."


def test_latex_escapes_and_marks(table):
    shown = latex_table(table)
    assert r"\textbf{53.9}" in shown
    assert r"\underline{53.0}\textdegree{}" in shown
    assert r"\textless{}script\textgreater{}" in shown
    assert r"\multicolumn{1}{c}{lab | x}" in shown
    assert shown.count(r"\toprule") == shown.count(r"\bottomrule") == 1
    assert latex_escape("a\\b%c_d") == r"a\textbackslash{}b\%c\_d"
    assert latex_escape("日本") == "??"


def test_every_format_holds_the_same_numbers(table):
    for entry in (e for row in table.rows for e in row.entries if e.value is not None):
        assert entry.text in markdown_table(table)
        assert entry.text in latex_table(table)
        assert f"{entry.value:.8g}" in csv_table(table)
    assert table.to_json()["rows"][0]["entries"][1]["value"] == pytest.approx(53.91)
    json.dumps(table.to_json(), allow_nan=False)


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert number(-0.04).text == "0.0"
    assert number(-0.06).text == "-0.1"


def test_slugs_are_safe_file_names():
    assert slug("lab → group", "f1") == "lab-to-group-f1"
    assert slug("../../etc", "x") == "etc-x"
    assert slug("→") == "to"
    assert slug("日本") == "table"
