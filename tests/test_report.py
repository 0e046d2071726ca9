"""The report: built from a small real run, opened in a browser, self-contained."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from browser import open_page

pytest.importorskip("matplotlib", reason="the report's charts need matplotlib: pip install 'loopnest[plot]'")

from loopnest import ladder, machine
from loopnest.viz import charts, png, report, theme
from loopnest.viz.facts import to_json

# The tests share what was measured: in one process, when tests run in several.
pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def facts():
    """A tour in small: everything is measured or trained here, only less of it."""
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'loopnest[data]'")
    training = pytest.importorskip("loopnest.tour.training")
    from loopnest.data import Digits, digits

    everything = digits()
    few = Digits(*(part[:200] for part in everything))
    seeing, one = training.train(training.CNN, few, epochs=1)
    reading, two = training.train(training.LSTM, few, epochs=2)
    return {
        "version": "test",
        "command": "pytest",
        "date": "today",
        "seconds": 1.0,
        "machine": machine.measure(0.005),
        "climbs": [
            ladder.climb("conv2d", "n1 ic8 ih8 iw8 oc16 kh3 kw3 p1", seconds=0.001),
            ladder.climb("lstm", "t3 n2 i8 h16", seconds=0.001),
        ],
        "trainings": [one, two],
        "digit": training.look_inside(seeing, reading, few, 0),
    }


@pytest.fixture(scope="module")
def page(facts):
    return report.page(facts)


class Checker(HTMLParser):
    """Tags that are opened and closed in order, ids that occur once, and every address."""

    VOID = frozenset({"meta", "img", "br", "link", "u"}) - {"u"}

    def __init__(self):
        super().__init__()
        self.stack, self.ids, self.addresses, self.names = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "data"):
                self.addresses.append(value)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, (self.stack[-5:], tag, self.getpos())
        self.stack.pop()


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.stack == []
    assert len(checker.ids) == len(set(checker.ids))
    assert all(address.startswith(("data:", "#")) for address in checker.addresses)
    return checker


def test_the_page_is_well_formed_and_asks_nobody_for_anything(page):
    checker = check(page)
    assert "script" not in checker.names
    assert re.findall(r"https?://(?!www\.w3\.org)\S+", page) == []
    assert not re.search(r"@import|url\((?!#)", page)
    text = re.sub(r"data:[^\"]*", "", page).replace('<p class="note">None.</p>', "")
    assert not re.search(r"\$|\bNone\b|\bnan\b|\binf\b", text)


def test_the_page_holds_every_fact(facts, page):
    for climb in facts["climbs"]:
        for rung in climb["rungs"]:
            assert rung["idea"] in page and report.number_text(rung["ms"]) in page
    for one in facts["trainings"]:
        assert f"{len(one['wrong'])} of {one['test_size']}" in page
    wrong = sum(len(one["wrong"]) for one in facts["trainings"])
    assert page.count("said <b>") == wrong
    assert page.count("its feature map") == 32


def test_chromium_opens_it_without_a_complaint(facts, page, tmp_path):
    path = report.write(facts, tmp_path / "tour" / "report.html")
    dom, console = open_page(path, tmp_path / "profile")
    assert console == []
    assert path.read_text(encoding="utf-8") == page
    assert "</footer>" in dom and dom.count("<svg") == page.count("<svg")


def test_the_browser_test_would_see_an_error(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<!DOCTYPE html><title>x</title><img src='missing.png'><script>no()</script>")
    _, console = open_page(path, tmp_path / "profile")
    assert any("no is not defined" in line for line in console)


def test_parts_that_are_missing_are_left_out(facts):
    check(report.page({}))
    check(report.page({"machine": facts["machine"]}))
    check(report.page({"climbs": facts["climbs"][:1], "machine": facts["machine"]}))


def test_text_from_outside_is_escaped(facts):
    bad = {**facts["machine"], "cpu": '<script>$x & "y"</script>'}
    page = report.page({"machine": bad})
    assert "<script>" not in page and "&lt;script&gt;$x &amp;" in page


def test_facts_become_strict_json(facts):
    again = json.loads(to_json(facts))
    assert again["climbs"][0]["rungs"][0]["name"] == "naive"
    assert np.shape(again["digit"]["image"]) == (8, 8)
    assert json.loads(to_json({"a": float("nan"), "b": np.float32(0.1), "c": np.int64(3)})) == {
        "a": None,
        "b": 0.1,
        "c": 3,
    }
    check(report.page(again))


def test_charts_wear_the_colours_of_the_page(facts):
    drawing = charts.svg(charts.roofline(facts["machine"], facts["climbs"]), "roof")
    used = set(re.findall(r"#[0-9a-f]{6}", drawing)) - {"#000000"}
    assert used == set() and "var(--space)" in drawing and "var(--time)" in drawing


def test_colours_are_told_apart():
    assert len(set(theme.LIGHT.values())) == len(theme.LIGHT)
    assert theme.LIGHT.keys() == theme.DARK.keys()


def test_names_keep_their_distance():
    values = [0.0, 0.01, 0.02, 1.0, 5.0, 5.05]
    placed = charts.spread(values, 0.1)
    assert np.all(np.diff(placed) >= 0.1 - 1e-12)
    assert placed[3] == 1.0 and sum(placed[:3]) == pytest.approx(sum(values[:3]))
    assert charts.spread([], 1.0) == []


def test_a_picture_is_a_png_of_its_values():
    url = png.picture(np.array([[0.0, 1.0], [-0.5, 0.25]]), "#ff0000", "#0000ff", 1.0)
    data = base64.b64decode(url.partition(",")[2])
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (2, 2)
    start = data.index(b"IDAT") + 4
    size = struct.unpack(">I", data[start - 8 : start - 4])[0]
    rows = (
        np.frombuffer(zlib.decompress(data[start : start + size]), np.uint8)
        .reshape(2, 9)[:, 1:]
        .reshape(2, 2, 4)
    )
    assert rows[..., 3].tolist() == [[0, 255], [128, 64]]
    assert rows[1, 0, :3].tolist() == [0, 0, 255] and rows[0, 1, :3].tolist() == [255, 0, 0]
