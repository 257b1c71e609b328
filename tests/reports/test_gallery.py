"""The gallery: every picture that the page shows is there, and no other; together they are small."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
TEXT = (GALLERY / "README.md").read_text()


def test_the_page_shows_the_pictures_that_are_there():
    shown = re.findall(r"\]\((figures/[^)]+\.svg)\)", TEXT)
    assert len(shown) == len(set(shown)) > 20
    assert {GALLERY / name for name in shown} == set((GALLERY / "figures").iterdir())
    for name in shown:
        ElementTree.parse(GALLERY / name)
    assert sum((GALLERY / name).stat().st_size for name in shown) < 3_000_000


def test_the_page_is_what_its_maker_lists():
    page = runpy.run_path(str(GALLERY / "make.py"))["PAGE"]
    for heading, items in page:
        assert f"\n## {heading}\n" in TEXT
        for kind, shown in items:
            if kind == "figure":
                assert f"figures/{shown.run}-{shown.key}.svg" in TEXT
    tables = sum(kind == "table" for _, items in page for kind, _ in items)
    assert len(re.findall(r"^### ", TEXT, re.M)) == tables
