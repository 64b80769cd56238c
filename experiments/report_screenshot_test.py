#!/usr/bin/env python3
"""Looks at the report of an experiment in headless Chromium.

Three times: light, dark, and as wide as a phone. Each time a script measures the page,
and the picture of the page is held to what it measured:

  * it asks for nothing from the network, and says nothing on the console;
  * it is no wider than the window, no text is cut off, and no text lies on another;
  * the picture is not blank, and the cells of heat maps have, where the document says
    they are, the shades that it says they have;
  * the maps of load have a cell for each number in report.json, and a pointer over any
    cell or point shows its value beside it;
  * dark is dark, and light is light.

Prints what is wrong, and exits with 1 if anything is.
"""

import argparse
import itertools
import json
import pathlib
import re
import struct
import sys
import tempfile
import zlib

from report_browser import Browser, host_page

_VIEWS = {
    "light": {"width": 1100, "dark": False},
    "dark": {"width": 1100, "dark": True},
    "phone": {"width": 390, "dark": False},
}
# Chromium paints no more than 16384 lines. These have all kinds of figures.
_PICTURE_HEIGHT = 5000

_MEASURE = """
function boxes(doc) {
  const texts = [];
  const walker = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  const outside = (element, box) => {
    for (let up = element; up && up !== doc.body; up = up.parentElement) {
      const style = doc.defaultView.getComputedStyle(up);
      const frame = up.getBoundingClientRect();
      if (style.overflowX !== 'visible' && !(up instanceof
          doc.defaultView.SVGElement) && (box.right > frame.right + 1)) {
        return style.overflowX === 'auto' ? 'scrolled' : 'cut';
      }
      if (up.tagName === 'svg') {
        if (box.right > frame.right + 1.5 || box.left < frame.left - 1.5 ||
            box.bottom > frame.bottom + 1.5 || box.top < frame.top - 1.5) {
          return 'cut';
        }
      }
    }
    return 'inside';
  };
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('style, script, noscript')) continue;
    const range = doc.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width < 1) continue;
      texts.push({text: node.textContent.trim().slice(0, 60), left: box.left,
                  right: box.right, top: box.top, bottom: box.bottom,
                  svg: !!parent.closest('svg'), where: outside(parent, box)});
    }
  }
  return texts;
}
function cells(doc) {
  return [...doc.querySelectorAll('svg.heat .point')].map(rect => {
    const box = rect.getBoundingClientRect();
    const frame = rect.closest('.scroll').getBoundingClientRect();
    return {title: rect.getAttribute('aria-label'),
            share: parseFloat(rect.getAttribute('fill-opacity')),
            left: box.left, top: box.top, width: box.width, height: box.height,
            seen: box.right <= frame.right + 1};
  });
}
// What is wrong with the tooltip of each point, when a pointer comes and goes.
function tooltips(doc) {
  const tooltip = doc.getElementById('tooltip');
  const tell = (point, kind) =>
      point.dispatchEvent(new PointerEvent(kind, {bubbles: true}));
  const wrong = [];
  for (const point of doc.querySelectorAll('.point')) {
    const name = point.getAttribute('aria-label');
    if (!tooltip.hidden) wrong.push(`before ${name} there is a tooltip`);
    tell(point, 'pointerover');
    const box = tooltip.getBoundingClientRect(), cell = point.getBoundingClientRect();
    if (tooltip.hidden || tooltip.textContent !== name || box.height < 10) {
      wrong.push(`over ${name} the tooltip says "${tooltip.textContent}"`);
    }
    const width = doc.documentElement.clientWidth;
    if (box.left < 0 || box.right > width) wrong.push(`${name}: it is beyond the window`);
    if (cell.right <= width && (box.left > cell.right || box.right < cell.left ||
        Math.min(Math.abs(cell.top - box.bottom), Math.abs(box.top - cell.bottom)) > 10)) {
      wrong.push(`${name}: the tooltip is elsewhere`);
    }
    tell(point, 'pointerout');
  }
  return wrong;
}
function measure(doc) {
  // What can be opened is looked at, too.
  for (const details of doc.querySelectorAll('details')) details.open = true;
  const root = doc.documentElement;
  const style = doc.defaultView.getComputedStyle(doc.body);
  const table = [...doc.querySelectorAll('table')];
  return {width: root.clientWidth, scroll_width: root.scrollWidth,
          height: root.scrollHeight, background: style.backgroundColor,
          accent: doc.defaultView.getComputedStyle(root).getPropertyValue('--accent'),
          texts: boxes(doc), cells: cells(doc), tables: table.length,
          tooltips: tooltips(doc),
          resources: doc.defaultView.performance.getEntriesByType('resource')
              .map(entry => entry.name)};
}
"""


def read_png(path: pathlib.Path) -> tuple[int, int, list[bytes], int]:
    """Width, height, lines of bytes, and bytes of a pixel: 8-bit RGB or RGBA."""
    data = path.read_bytes()
    width, height, depth, color = struct.unpack(">IIBB", data[16:26])
    if depth != 8 or color not in (2, 6):
        raise RuntimeError(f"{path}: depth {depth}, colour type {color}")
    size = 3 if color == 2 else 4
    packed, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + length]
        place += length + 12
    return width, height, unfilter(zlib.decompress(packed), width * size, size), size


def unfilter(raw: bytes, stride: int, size: int) -> list[bytes]:
    """The lines of a PNG without the filters that help to compress it."""
    lines: list[bytes] = []
    above = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind = raw[start]
        line = bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride if kind else 0):
            left = line[i - size] if i >= size else 0
            up = above[i]
            if kind == 1:
                add = left
            elif kind == 2:
                add = up
            elif kind == 3:
                add = (left + up) // 2
            else:
                corner = above[i - size] if i >= size else 0
                guess = left + up - corner
                distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
                add = (left, up, corner)[distances.index(min(distances))]
            line[i] = (line[i] + add) & 255
        lines.append(bytes(line))
        above = line
    return lines


class Picture:
    """Pixels of a screenshot."""

    def __init__(self, path: pathlib.Path):
        self.width, self.height, self._lines, self._size = read_png(path)

    def at(self, x: float, y: float) -> tuple[int, ...]:
        start = int(x) * self._size
        return tuple(self._lines[int(y)][start : start + 3])

    def colors(self) -> int:
        seen = {
            self.at(x, y) for y in range(0, self.height, 7) for x in range(0, self.width, 3)
        }
        return len(seen)


def rgb(text: str) -> tuple[int, ...]:
    """The colour of "rgb(1, 2, 3)" or "#010203"."""
    text = text.strip()
    if text.startswith("#"):
        return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def overlapping(texts: list[dict]) -> list[str]:
    """Pairs of texts of which one lies on the other."""
    found = []
    texts = sorted(texts, key=lambda text: text["top"])
    for i, a in enumerate(texts):
        for b in texts[i + 1 :]:
            if b["top"] >= a["bottom"]:
                break
            across = min(a["right"], b["right"]) - max(a["left"], b["left"])
            down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
            # Boxes have the font's whole height, and letters less.
            if across > 1 and down > 6:
                found.append(f"\"{a['text']}\" lies on \"{b['text']}\"")
    return found


def check_layout(found: dict) -> list[str]:
    wrong = []
    if found["scroll_width"] > found["width"]:
        wrong.append(f"the page is {found['scroll_width']} wide, of {found['width']}")
    if found["resources"]:
        wrong.append(f"asks for {found['resources']}")
    seen = [text for text in found["texts"] if text["where"] == "inside"]
    for text in found["texts"]:
        if text["where"] == "cut":
            wrong.append(f"\"{text['text']}\" is cut off")
    for text in seen:
        if text["left"] < 0 or text["right"] > found["width"] + 1:
            wrong.append(f"\"{text['text']}\" is beyond the window")
    wrong += overlapping(seen)
    if not found["tables"] or len(seen) < 100:
        wrong.append(f"{found['tables']} tables and {len(seen)} pieces of text")
    return wrong


def check_cells(found: dict, picture: Picture) -> list[str]:
    """Holds each cell's pixel near its corner, where no digits are, to its shade."""
    wrong = []
    ground, accent = rgb(found["background"]), rgb(found["accent"])
    shades = set()
    for cell in found["cells"]:
        if not cell["seen"] or cell["top"] + cell["height"] > picture.height:
            continue
        pixel = picture.at(cell["left"] + 3, cell["top"] + 3)
        want = [g + (a - g) * cell["share"] for g, a in zip(ground, accent)]
        if max(abs(p - w) for p, w in zip(pixel, want)) > 3:
            wrong.append(f"{cell['title']}: expected {want}, found {pixel}")
        shades.add(pixel)
    if len(shades) < 20:
        wrong.append(f"heat maps have {len(shades)} shades only")
    return wrong


def check_titles(found: dict, report: dict) -> list[str]:
    """Whether the maps have a cell for every number of the report's, with its share."""
    want = [
        f"layer {layer}, expert {expert}: {100 * count / max(1, sum(row)):.1f} % of the "
        "layer's choices"
        for load in report["expert_load"]
        for layer, row in zip(load["layers"], load["tokens"])
        for expert, count in enumerate(row)
    ]
    have = [cell["title"] for cell in found["cells"] if "choices" in cell["title"]]
    return [
        f"a cell of load expected {w!r}, found {h!r}"
        for h, w in itertools.zip_longest(have, want)
        if h != w
    ]


def look(browser: Browser, name: str, view: dict, arguments) -> list[str]:
    """What is wrong with one view; its picture goes to the outputs."""
    report = pathlib.Path(arguments.report)
    pages = {name: (report / "report.html").read_text(encoding="utf-8")}
    width, dark = view["width"], view["dark"]

    found = browser.measure(pages, width, 1000, _MEASURE, dark)[name]
    height = min(found["height"], _PICTURE_HEIGHT)
    png = pathlib.Path(arguments.out) / f"{name}.png"
    browser.run(
        host_page(pages, width, height, _MEASURE),
        height,
        dark,
        f"--screenshot={png}",
    )
    picture = Picture(png)
    wrong = check_layout(found) + check_cells(found, picture) + found["tooltips"]
    wrong += check_titles(
        found, json.loads((report / "report.json").read_text(encoding="utf-8"))
    )
    if picture.colors() < 30:
        wrong.append(f"the picture has {picture.colors()} colours only")
    brightness = sum(picture.at(2, 2))
    if (brightness < 380) != dark:
        wrong.append(f"the ground is {picture.at(2, 2)}")
    return [f"{name}: {line}" for line in wrong]


def main() -> int:
    parser = argparse.ArgumentParser()
    # The directory of report.html and report.json is the report.
    for flag in ("report", "browser", "out"):
        parser.add_argument(f"--{flag}", required=True)
    arguments = parser.parse_args()
    report = pathlib.Path(arguments.report)
    text = (report / "report.html").read_text(encoding="utf-8")
    wrong = [
        f"the report has {what}"
        for what in ("http:", "https:", "src=", "@import", "url(", "<link")
        if what in text
    ]
    with tempfile.TemporaryDirectory() as directory:
        browser = Browser(arguments.browser, pathlib.Path(directory))
        for name, view in _VIEWS.items():
            try:
                wrong += look(browser, name, view, arguments)
            except RuntimeError as error:
                wrong.append(f"{name}: {error}")
    for line in wrong:
        print(line)
    print("FAILED" if wrong else "PASSED")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
