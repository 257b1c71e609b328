"""Every command and every path in the documents is real: run where that is cheap, else parsed."""

import ast
import functools
import importlib.util
import re
import shlex
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_dataset import build_toy_dataset

from harness.cli import _parser, main
from harness.commands.completion import verbs_of
from harness.layouts.adapter import PAPER_AUS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: ("/api/" in str(page), page),
)
SHELL = {"", "sh", "console", "bash"}
ELSEWHERE = {
    *("docker", "git", "kubectl", "kill", "pip", "ray", "sbatch", "wandb"),  # commands of others
    *("cd", "eval", "export", "printf", "source"),  # the shell's own
}
"""What a command in the documents may begin with, if it is none of ours."""

ROOMS = (
    "baselines",
    "benchmarks",
    "deploy",
    "docs",
    "harness",
    "hybrid",
    "reports",
    "sampling",
    "tests",
)


def blocks(page):
    """(language, lines) of fenced blocks; indented blocks have no language."""
    lines = page.read_text(encoding="utf-8").splitlines()
    fence, kept, language, before = None, [], "", ""
    for line in lines:
        mark = re.match(r"\s*(```+)(\S*)", line)
        if mark:
            if fence is None:
                fence, language, kept = mark[1], mark[2], []
            else:
                yield language, kept
                fence = None
        elif fence is not None:
            kept.append(line)
        elif line.startswith("    ") and (not before.strip() or before.startswith("    ")):
            yield "", [line[4:]]
        before = line


def commands(page):
    """Simple commands of the shell blocks, as lists of words, without assignments before them."""
    for language, lines in blocks(page):
        if language not in SHELL:
            continue
        text = "\n".join(lines).replace("\\\n", " ")
        for line in text.splitlines():
            line = line.strip().removeprefix("$ ")
            if not looks_like_a_command(line):
                continue
            yield from simple_commands(line)


def looks_like_a_command(line):
    first = line.split(" ")[0].rpartition("/")[2]
    return first in OURS or first in ELSEWHERE


OURS = {"aubench", "make", "python"}


def simple_commands(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;"):
            if words:
                yield words
            words = []
        elif words and set(word) <= set("<>"):
            words.append(">")
        else:
            words.append(word)


def every_command():
    """(page, words) of every command; also of those that another command is given."""
    for page in PAGES:
        for words in commands(page):
            yield page, words
            for position, word in enumerate(words[1:], 1):
                if word == "--":
                    yield page, words[position + 1 :]
                elif "aubench " in word:
                    inner = word.removeprefix("$(").removesuffix(")")
                    yield from ((page, words) for words in simple_commands(inner))


FOUND = [(str(page.relative_to(ROOT)), words) for page, words in every_command()]


def ids(found):
    return [f"{page}: {' '.join(words)[:60]}" for page, words in found]


def refused(words):
    """What the real parser says against the words of an `aubench` command, or nothing."""
    words = words[: words.index(">")] if ">" in words else words
    try:
        _parser().parse_args(words[1:])
    except SystemExit as end:
        return "" if end.code == 0 else " ".join(words)
    return ""


AUBENCH = [(page, words) for page, words in FOUND if words[0].rpartition("/")[2] == "aubench"]


@pytest.mark.parametrize(("page", "words"), AUBENCH, ids=ids(AUBENCH))
def test_the_command_line_takes_what_the_documents_say(page, words):
    assert not refused(words)


def test_other_commands_name_what_there_is():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page, words in FOUND:
        first, where = words[0], f"{page}: {' '.join(words)}"
        if first == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), (
                where
            )
        elif first == "python" and words[1] == "-m":
            assert importlib.util.find_spec(words[2]), where
            if words[2] == "harness":
                assert not refused(words[2:]), where
        elif first == "python" and words[1].endswith(".py"):
            assert any(
                (place / words[1]).is_file() for place in (ROOT, ROOT / "docs" / "examples")
            ), where
        for word in words:
            if word.split("/")[0] in ROOMS and "/" in word:
                assert (ROOT / word).exists(), where


def test_blocks_of_commands_hold_nothing_unknown():
    """In a block that says it is shell, every line is a command that is checked or excepted."""
    for page in PAGES:
        for language, lines in blocks(page):
            if language in SHELL - {""}:
                text = "\n".join(lines).replace("\\\n", " ")
                for line in filter(None, (line.strip() for line in text.splitlines())):
                    known = looks_like_a_command(line) or line.startswith("#") or "=" in line
                    assert known, f"{page.relative_to(ROOT)}: {line}"


def test_commands_in_running_text_exist():
    verbs = verbs_of(_parser())
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for said in re.findall(r"`aubench ([^`]*)`", text):
            words = said.replace("\n", " ").split()
            where = f"{page.relative_to(ROOT)}: aubench {said}"
            assert words[0] in verbs or words[0].startswith("-"), where
            if words[0] in verbs:
                options = verbs[words[0]]._option_string_actions
                asked = [word for word in words if word.startswith("--") and word != "--"]
                assert not [word for word in asked if word not in options], where


@functools.cache
def anchors(page):
    """What headings of a page are called in links."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(bare)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    for path in re.findall(r"`([\w./-]+)`", text):
        if path.split("/")[0] in ROOMS and "/" in path and not re.search(r"\.\.|/$", path):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documents_imports_what_there_is(page):
    for language, lines in blocks(page):
        if language != "python" or "/api/" in str(page):
            continue
        tree = ast.parse(textwrap.dedent("\n".join(lines)))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ROOMS:
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


SUITE = """\
name: suite
datasets: {bp4d: {prepared: prepared/bp4d}}
settings: [{within: bp4d, protocol: 3-fold}]
methods: {all-present: , majority: }
"""

RUN = [
    "aubench plan suite.yaml",
    "aubench plan suite.yaml --splits",
    "aubench status suite.yaml",
    "aubench report suite.yaml",
    "aubench report runs/suite --metric own_metric:matthews",
    "aubench score openface/ --dataset prepared/bp4d --protocol 3-fold --as openface --kind presence",
    "aubench score ours.csv --dataset prepared/bp4d --protocol 3-fold --as ours --kind probability",
    "aubench score ours.csv --dataset prepared/bp4d --train prepared/disfa --as ours --kind probability",
    "aubench report runs/bp4d-3-fold",
    "aubench completion bash",
]
"""Commands of the documents that are done here, in this order, on tiny stand-ins."""


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A folder with everything that the documents' commands name, tiny: two prepared datasets, a
    suite and its run, predictions in two formats, the example of a metric."""
    from harness.engine.work import do_job
    from harness.plan.build import build_plan
    from harness.store import RunStore
    from harness.suite.load import load_suite
    from harness.sweep import frozen_suite

    folder = tmp_path_factory.mktemp("newcomer")
    table = build_toy_dataset(folder / "prepared" / "bp4d", "bp4d", 6, 12, aus=PAPER_AUS).table
    build_toy_dataset(folder / "prepared" / "disfa", "disfa", 4, 12, 1, PAPER_AUS)
    (folder / "suite.yaml").write_text(SUITE)
    shutil.copy(ROOT / "docs" / "examples" / "own_metric.py", folder)
    said = np.random.default_rng(0).random(table.labels.shape).round(2)
    rows = {f"AU{au}": said[:, i] for i, au in enumerate(table.aus)}
    keys = {"sequence": table.sequences, "number": table.numbers}
    pd.DataFrame({**keys, **rows}).to_csv(folder / "ours.csv", index=False)
    (folder / "openface").mkdir()
    for sequence in dict.fromkeys(table.sequences):
        of = table.sequences == sequence
        codes = {f"AU{au:02}_c": (said[of, i] > 0.5) * 1 for i, au in enumerate(table.aus)}
        codes = {"frame": table.numbers[of], "success": 1, **codes}
        name = sequence.split(":")[1].replace("/", "_")
        pd.DataFrame(codes).to_csv(folder / "openface" / f"{name}.csv", index=False)
    loaded = load_suite(folder / "suite.yaml")
    plan, store = build_plan(loaded), RunStore(folder / "runs" / "suite")
    store.begin(plan, frozen_suite(loaded))
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), store.folder)
    return folder


@pytest.mark.parametrize("command", RUN)
def test_a_documented_command_does_what_it_says(command, newcomer, monkeypatch, capsys):
    documented = {" ".join(words) for _, words in FOUND}
    assert command in documented, "no document says so any more"
    monkeypatch.chdir(newcomer)
    words = command.split()
    assert main(words[1:]) == 0
    said = capsys.readouterr().out
    assert said.strip()
    if words[1] == "report":
        assert (
            newcomer / "runs" / words[2].split("/")[-1].removesuffix(".yaml") / "report"
        ).is_dir()


def yaml_blocks():
    for page in PAGES:
        for language, lines in blocks(page):
            text = "\n".join(lines)
            if (
                language == "yaml"
                and re.search(r"^name:", text, re.MULTILINE)
                and "methods:" in text
            ):
                yield page, text


SUITES = list(yaml_blocks())


@pytest.mark.parametrize(
    ("page", "text"), SUITES, ids=[str(page.relative_to(ROOT)) for page, _ in SUITES]
)
def test_a_suite_in_the_documents_can_be_planned(page, text, newcomer, tmp_path, monkeypatch):
    """With stand-ins for the files and modules that it names."""
    (tmp_path / "prepared").symlink_to(newcomer / "prepared")
    subjects = [f"bp4d:S{s:03}" for s in range(1, 7)]
    rows = [f"{1 + i % 3},test,{subject}" for i, subject in enumerate(subjects)]
    (tmp_path / "folds.csv").write_text("\n".join(["fold,part,subject", *rows]) + "\n")
    for module, name in re.findall(r"([\w.]+):(\w+)\"", text):
        if module.split(".")[0] in ROOMS:
            continue
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        own = f"from toy_methods import Pixel\nclass {name}(Pixel): pass\n"
        if name.islower():
            own = f"def {name}(labels, scores): return scores.mean(axis=0)\n"
        with file.open("a") as opened:
            opened.write(own)
    monkeypatch.syspath_prepend(str(tmp_path))
    for file in (ROOT / "docs" / "examples").glob("*.py"):
        shutil.copy(file, tmp_path)
    # the published folds name BP4D's own subjects, who are not here
    (tmp_path / "suite.yaml").write_text(text.replace("published-3-fold", "3-fold"))
    from harness.plan.build import build_plan
    from harness.suite.load import load_suite

    monkeypatch.chdir(tmp_path)
    assert build_plan(load_suite("suite.yaml")).cells
