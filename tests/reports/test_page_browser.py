"""The page in a real browser: loads without a complaint, sorts, filters, goes dark.

Chromium runs headless with every host name mapped to nowhere, so a request to the network would
end as an error on the console. What a reader does is done by a script that a copy of the page
allows beside its own.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")

READER = """
const found = {};
const table = document.querySelector("#overview table");
const first = (rows) =>
  [...rows].filter((r) => !r.hidden).map((r) => r.cells[0].textContent.trim());
const names = () => first(table.tBodies[0].rows);
const heads = table.tHead.rows[1].cells;
const click = (node) => { node.querySelector("button").click(); return names(); };
found.before = names();
found.byF1 = click(heads[1]);
found.sort = heads[1].getAttribute("aria-sort");
found.byF1Again = click(heads[1]);
found.byName = click(heads[0]);
const perAu = document.getElementById("lab-3-fold-f1");
const aus = () => first(perAu.querySelectorAll("tbody tr"));
perAu.querySelectorAll("thead th button")[2].click();
found.bySupport = aus();
const filter = perAu.querySelector("input.filter");
filter.value = "mean";
filter.dispatchEvent(new Event("input"));
found.filtered = aus();
const box = document.querySelector('.chips input[value="svm"]');
heads[1].dataset.method = "svm"; // as the columns of a method have it, under a heading of several
box.click();
found.withoutSvm = names();
found.groups = [...table.tHead.rows[0].cells].map((one) => one.colSpan);
found.columns = [...perAu.querySelectorAll("thead th")].filter((h) => !h.hidden).length;
const paper = () => getComputedStyle(document.body).backgroundColor;
found.light = paper();
document.getElementById("theme").click();
found.dark = paper();
document.getElementById("theme").click();
found.lightAgain = paper();
const hidden = (n) => getComputedStyle(n).display === "none";
const interval = perAu.querySelector("tr.body .interval");
found.intervalBefore = hidden(interval);
document.getElementById("intervals").click();
found.intervalAfter = hidden(interval);
found.width = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const order = [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")];
found.unreachable = order.filter((n) => n.tabIndex < 0).length;
found.titles = document.querySelectorAll("figure svg title").length;
const out = document.createElement("pre");
out.id = "found";
out.textContent = JSON.stringify(found);
document.body.append(out);
"""


def chromium(page, profile, *options):
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert complaints == []
    return done.stdout


@pytest.fixture(scope="module")
def seen(report, tmp_path_factory):
    """What a reader on a phone found, after clicking through a copy of the page."""
    folder = tmp_path_factory.mktemp("browser")
    html = (report / "report.html").read_text()
    digest = base64.b64encode(hashlib.sha256(READER.encode()).digest()).decode()
    html = html.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    html = html.replace("</body>", f"<script>{READER}</script></body>")
    page = folder / "page.html"
    page.write_text(html)
    dom = chromium(page, folder / "profile", "--window-size=500,900", "--dump-dom")
    shown = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S).group(1)
    return json.loads(shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def test_the_page_loads_without_a_complaint(report, tmp_path):
    dom = chromium(report / "report.html", tmp_path / "profile", "--dump-dom")
    assert "<h1>planted</h1>" in dom


def test_sorting(seen):
    assert seen["before"] == ["svm", "anet", "hybrid"]
    assert seen["byF1"] == ["hybrid", "anet", "svm"]
    assert seen["sort"] == "descending"
    assert seen["byF1Again"] == ["svm", "anet", "hybrid"]
    assert seen["byName"] == ["anet", "hybrid", "svm"]
    assert seen["bySupport"][-1] == "Mean"
    assert seen["bySupport"][0] == "12"


def test_filtering(seen):
    assert seen["filtered"] == ["Mean"]
    assert seen["withoutSvm"] == ["anet", "hybrid"]
    assert seen["columns"] == 6
    assert seen["groups"][:3] == [1, 1, 2]


def test_light_and_dark(seen):
    assert seen["light"] == seen["lightAgain"] == "rgb(255, 255, 255)"
    assert seen["dark"] == "rgb(20, 23, 27)"


def test_intervals_on_demand(seen):
    assert (seen["intervalBefore"], seen["intervalAfter"]) == (True, False)


def test_it_fits_a_phone_and_the_keyboard(seen):
    assert seen["width"] <= 0
    assert seen["unreachable"] == 0
    assert seen["titles"] > 10


def test_a_request_to_the_network_would_be_noticed(report, tmp_path):
    html = (report / "report.html").read_text()
    page = tmp_path / "page.html"
    page.write_text(html.replace("</main>", '<img src="http://example.org/x.png"></main>'))
    with pytest.raises(AssertionError):
        chromium(page, tmp_path / "profile", "--dump-dom")
