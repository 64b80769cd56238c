#!/usr/bin/env python3
"""What the script of a report's page writes, in headless Chromium.

The pages are those of a small experiment whose numbers are known, one for each thing that
its lock may say, and copies of them with another report inside. A browser opens all of
them once; the tests then look at what it found.
"""

import argparse
import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from report_browser import Browser

# What people wrote may hold anything.
_HOSTILE = "</script><script>document.title = 'taken'</script><!-- <b>\"a\" & 'b'</b>"

# Functions of the page's script, and what they give.
_FUNCTIONS = [
    # Axes hold all values and end at round numbers.
    ("ticks([0, 9.5], false)", ["0", "2", "4", "6", "8", "10"]),
    ("ticks([31, 68], false)", ["30", "40", "50", "60", "70"]),
    ("ticks([-1, 1], false)", ["-1", "-0.5", "0", "0.5", "1"]),
    ("ticks([5], false)", ["4.4", "4.6", "4.8", "5", "5.2", "5.4", "5.6"]),
    ("ticks([], false)", ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ("ticks([27, 3.9e7], true)", ["10", "1000", "100000", "1e+07", "1e+09"]),
    ("ticks([100], true)", ["100", "1000"]),
    ("ticks([0, -1], true)", ["1", "10"]),
    # What is beyond the axis is at its ends.
    ("[5, -1, 99, NaN, Infinity].map(makeAxis([0, 10], false).place)", [0.5, 0, 1, 0, 1]),
    ("[10, -3, NaN].map(makeAxis([1, 100], true).place)", [0.5, 0, 0]),
    # Numbers.
    (
        "[0.1, 'inf', '-inf', 'nan', null].map(toNumber).map(String)",
        ["0.1", "Infinity", "-Infinity", "NaN", "NaN"],
    ),
    (
        "[0, 1.2776216, 0.245, 61.71365, 999.94, 999.96].map(formatNumber)",
        ["0", "1.278", "0.2450", "61.71", "999.9", "1,000"],
    ),
    (
        "[22462800.2, -2.5, 3.06e-8, 3e38].map(formatNumber)",
        ["22,462,800", "-2.500", "3.1e-08", "3e+38"],
    ),
    (
        "['inf', '-inf', 'nan', null, undefined].map(formatNumber)",
        ["infinite", "-infinite", "not a number", "-", "-"],
    ),
    ("[12345, 0, 1.5, -1, null].map(formatCount)", ["12,345", "0", "-", "-", "-"]),
    (
        "[0.0004, 0.12, 1.2468, 12.468, 59.96].map(formatSeconds)",
        ["0.4 ms", "120 ms", "1.25 s", "12.5 s", "1 min 0 s"],
    ),
    ("[200, 7500, 'nan'].map(formatSeconds)", ["3 min 20 s", "2 h 5 min", "not known"]),
    (
        "[0, 1023, 1024, 3 << 20, 123 * 2 ** 30].map(formatBytes)",
        ["0 B", "1023 B", "1.00 KiB", "3.00 MiB", "123 GiB"],
    ),
    # The even one of two that are equally near; 0.15 is below the middle.
    (
        "[6.25, 6.75, 0.15, 0.25].map(value => fixed(value, 1))",
        ["6.2", "6.8", "0.1", "0.2"],
    ),
    # Bars go from nothing to the value, or from a power of ten below all values.
    ("widths(barChart('', bars(2.5, 10), false))", ["25%", "100%"]),
    ("widths(barChart('', bars(10, 1, 100), true))", ["50%", "0.3%", "100%"]),
    ("widths(barChart('', bars(NaN, Infinity), true))", ["100%"]),
    ("widths(barChart('', [], false))", []),
    # Lines go from corner to corner of the plot, and have a gap where there is no value.
    ("paths(lines([[1, 10, 100]]))", ["M72 230 L406 132 L740 34"]),
    ("paths(lines([[1, NaN, 1, 1, 10]]))", ["M72 230  M406 230 L573 230 L740 34"]),
    ("paths(lines([[1]]))", ["M406 230"]),
    (
        "names(lines([[1, 2], [3, NaN]]))",
        ["s0, layer 0: 1", "s0, layer 1: 2", "s1, layer 0: 3"],
    ),
    ("points(lines([]))", 0),
    ("places(lines([[1, 2, 3, 4, 5]]))", ["0", "1", "2", "3", "4"]),
    # Long labels: the two ends, and what is in the middle.
    (
        "places(lines([[1, 2, 3, 4, 5]], '012345678901234567890123456789'))",
        [
            "0012345678901234567890123456789",
            "2012345678901234567890123456789",
            "4012345678901234567890123456789",
        ],
    ),
    # The shade of a cell is its share of the largest, and there may be no cell.
    ("shades(heat([[0, 10], [NaN, 40]]))", ["0.000", "0.250", "1.000"]),
    (
        "names(heat([[0, 10], [NaN, 40]]))",
        [
            "layer 0, expert 0: 0 tokens",
            "layer 0, expert 1: 10 tokens",
            "layer 1, expert 1: 40 tokens",
        ],
    ),
    ("numbers(heat([[0, 10], [NaN, 40]]))", ["cell 0", "cell 10", "cell on 40"]),
    ("shades(heat([[0, 0, 0]]))", ["0.000", "0.000", "0.000"]),
    ("shades(heat([]))", []),
    ("numbers(heat([[...Array(1024).keys()]]))", []),
]

_SCRIPT = """
const all = (node, what) => [...node.querySelectorAll(what)];
const text = (node) => node.textContent;
function help(page) {
  const {makeAxis, general, lineChart, heatMap} = page;
  const attributes = (what, name) => (chart) =>
      all(chart, what).map(node => node.getAttribute(name));
  return {
    ticks: (values, isLog) => makeAxis(values, isLog).ticks.map(tick => general(tick, 6)),
    bars: (...values) => values.map(value => ({name: '', value, text: ''})),
    widths: attributes('rect', 'width'),
    lines: (rows, more = '') => lineChart({title: '', xName: 'layer', yName: '',
        labels: (rows[0] ?? []).map((_, i) => i + more),
        series: rows.map((values, i) => ({name: 's' + i, values}))}),
    places: (chart) => all(chart, 'text[y="248"]').map(text),
    paths: attributes('path', 'd'), names: attributes('.point', 'aria-label'),
    points: (chart) => all(chart, '.point').length,
    heat: (rows) => heatMap({title: '', columnName: 'expert', unit: 'tokens',
        format: String, rows: rows.map((values, layer) => ({layer, values}))}),
    shades: attributes('.point', 'fill-opacity'),
    numbers: (chart) => all(chart, '.cell').map(
        node => node.getAttribute('class') + ' ' + text(node)),
  };
}
// `with` makes names of the page, and of the help above, names of the expression.
function give(doc, expression) {
  return Function('page', 'help', 'with (page) with (help) return ' + expression)(
      doc.defaultView, help(doc.defaultView));
}
// The tooltip after keys, the first chart of the page having the focus.
function keys(doc) {
  const point = doc.querySelector('.heat .point[tabindex="0"]');
  if (!point) return [];
  const tooltip = doc.getElementById('tooltip');
  const say = () => tooltip.hidden ? '' : text(tooltip);
  point.focus();
  return [say(), ...['ArrowRight', 'ArrowRight', 'ArrowLeft', 'Escape'].map(key => {
    doc.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    return say();
  })];
}
function measure(doc) {
  const parts = all(doc, 'section').map(section => [section.id, {
    title: text(section.querySelector('h2')), text: text(section),
    captions: all(section, 'figcaption').map(text),
    points: all(section, '.point').map(point => point.getAttribute('aria-label')),
    pre: all(section, 'pre').map(text),
    rows: all(section, 'tr').map(row => [...row.children].map(text)),
  }]);
  return {title: doc.title, heading: all(doc, 'h1').map(text), sections: parts,
          text: text(doc.body), lead: all(doc, '.lead').map(text),
          cards: all(doc, '.card').map(card => [card.className.trim(),
              ...[...card.children].map(text)]),
          links: all(doc, 'nav a').map(link => link.getAttribute('href')),
          scripts: all(doc, 'script').length, keys: keys(doc),
          given: EXPRESSIONS.map(expression => give(doc, expression))};
}
""".replace("EXPRESSIONS", json.dumps([expression for expression, _ in _FUNCTIONS]))

_REPORT = re.compile(
    r'(<script type="application/json" id="report">)(.*?)(</script>)', re.S
)
_IDS = [
    "perplexity",
    "criteria",
    "load",
    "clusters",
    "overlap",
    "energy",
    "rates",
    "alignment",
    "reconstruction",
    "lock",
    "timings",
    "digests",
    "reproduce",
]


def report_in(page: str) -> dict:
    return json.loads(_REPORT.search(page).group(2))


def with_report(page: str, report: dict) -> str:
    text = json.dumps(report).replace("<", "\\u003c")
    return _REPORT.sub(lambda found: found.group(1) + text + found.group(3), page)


def changed(base: dict, change) -> dict:
    """A copy of the report, which `change` has changed in place."""
    report = copy.deepcopy(base)
    change(report)
    return report


def worse(report: dict) -> None:
    report["criteria"][0]["met"] = False
    report["evaluations"][2]["perplexity"] = 6.5
    report["evaluations"][1]["perplexity"] = "inf"
    report["routers"][0]["layers"] = [{"layer": 4, "routed_counts": [1, 2]}]
    report["neuron_splits"][0]["layers"] = [{"layer": 0, "expert_size": 8}]
    report["alignments"][0]["blocks"] = [
        {"layer": 2, "part": "attn", "divergence_before": None}
    ]
    report["reconstructions"][0]["blocks"] = report["reconstructions"][0]["blocks"][1:]
    report["reproduce"]["bazel"] = None


def little(report: dict) -> None:
    for name in (
        "evaluations",
        "criteria",
        "expert_load",
        "routers",
        "neuron_splits",
        "energy_splits",
        "rate_splits",
        "alignments",
        "reconstructions",
    ):
        report[name] = []


def narrow(report: dict) -> None:
    shares = {
        "kept_share": 0.75,
        "largest_kept_share": 0.5,
        "least_kept_share": 0.25,
        "largest_removed_share": 0.125,
    }
    report["neuron_removals"] = [
        {
            "step": "narrow",
            "command": "remove_neurons",
            "options": {"num_neurons": 4},
            "intermediate_size": 8,
            "kept_share": 0.75,
            "layers": [{"layer": 0, **shares}],
        }
    ]


def hostile(report: dict) -> None:
    report["experiment"] = report["description"] = _HOSTILE
    report["steps"][0]["name"] = report["inputs"]["model"]["name"] = _HOSTILE
    report["expert_load"][0]["step"] = report["evaluations"][0]["step"] = _HOSTILE


def no_numbers(report: dict) -> None:
    report["evaluations"][2]["perplexity"] = "nan"


class ReportPageTest(unittest.TestCase):
    found: dict = {}
    base: dict = {}

    def section(self, page: str, name: str) -> dict:
        return dict(self.found[page]["sections"])[name]

    def row(self, page: str, section: str, first: str) -> list[str]:
        """The first row of the section's tables that begins so."""
        rows = self.section(page, section)["rows"]
        return next(row for row in rows if row[0] == first)

    def test_functions(self):
        for (expression, wanted), given in zip(_FUNCTIONS, self.found["none"]["given"]):
            with self.subTest(expression):
                self.assertEqual(given, wanted)

    def test_has_every_section_in_order(self):
        page = self.found["none"]
        self.assertEqual(page["title"], "Experiment small")
        self.assertEqual(page["heading"], ["Experiment small"])
        self.assertEqual(page["lead"], ["Two experts."])
        self.assertEqual([name for name, _ in page["sections"]], _IDS)
        self.assertEqual(page["links"], ["#" + name for name in _IDS])

    def test_names_are_text(self):
        page = self.found["hostile"]
        self.assertEqual(page["title"], "Experiment " + _HOSTILE)
        self.assertEqual(page["lead"], [_HOSTILE])
        self.assertEqual(page["scripts"], self.found["none"]["scripts"])
        self.assertEqual(self.row("hostile", "lock", _HOSTILE)[1], "made")
        self.assertIn(_HOSTILE, self.section("hostile", "load")["captions"][0])

    def test_leaves_out_what_an_experiment_has_not(self):
        page = self.found["little"]
        self.assertEqual(
            [name for name, _ in page["sections"]],
            ["criteria", "lock", "timings", "digests", "reproduce"],
        )
        self.assertIn("sets no criteria", page["text"])
        self.assertIn(["card", "Perplexity", "-", "nothing was evaluated"], page["cards"])

    def test_keys_go_from_cell_to_cell(self):
        cell = "layer 0, expert {}: {} % of the layer's choices"
        first, second = cell.format(0, "75.0"), cell.format(1, "25.0")
        # There is no cell further to the right.
        self.assertEqual(self.found["none"]["keys"], [first, second, second, first, ""])

    # ---- Quality ----

    def test_shows_perplexities_and_criteria(self):
        self.assertEqual(
            self.row("none", "perplexity", "cut"),
            [
                "cut",
                "mlp",
                "6.000",
                "3.000",
                "2.000",
                "662",
                "all",
                "experts in the MLPs, by the split of step neurons",
            ],
        )
        self.assertIn(
            "✓ metcut.perplexity, 6.000, is at most 4.000 times "
            "before.perplexity, 8.000",
            self.section("none", "criteria")["text"],
        )
        self.assertIn(
            ["card", "Perplexity", "2.000 → 5.000", "from before to after"],
            self.found["none"]["cards"],
        )

    def test_says_plainly_what_is_not_met(self):
        self.assertIn("✗ not met", self.section("worse", "criteria")["text"])
        self.assertIn(
            ["card bad", "Criteria", "0 of 1 met", "not good enough"],
            self.found["worse"]["cards"],
        )

    def test_says_whether_alignment_made_it_better(self):
        self.assertIn(
            "the perplexity of aligned, 5.000, is better than that of mlp, 6.000, "
            "from which it was made.",
            self.found["none"]["text"],
        )
        self.assertIn(
            "aligned, 6.500, is better than that of mlp, infinite",
            self.found["worse"]["text"],
        )
        self.assertIn(
            "aligned, not a number, is not better than that of mlp, 6.000",
            self.found["no_numbers"]["text"],
        )

    def test_shows_what_is_no_number(self):
        self.assertEqual(self.row("worse", "perplexity", "cut")[2], "infinite")
        self.assertIn(
            ["card", "Perplexity", "2.000 → not a number", "from before to after"],
            self.found["no_numbers"]["cards"],
        )

    def test_summary_says_whether_it_is_pinned(self):
        for page, card in [
            ("verified", ["card good", "Verified", "every file and number of 12 steps"]),
            ("differs", ["card bad", "Differs", "first at step mlp"]),
            ("empty", ["card", "Not pinned", "the lock is empty"]),
            ("none", ["card", "Not pinned", "there is no lock"]),
        ]:
            self.assertIn(
                [card[0], "Same as pinned?", *card[1:]], self.found[page]["cards"]
            )

    def test_summary_says_how_long_it_took(self):
        self.assertIn(["card", "Time", "-", "not recorded"], self.found["none"]["cards"])
        self.assertIn(
            ["card", "Time", "1.50 s", "for 1 of 12 steps"], self.found["verified"]["cards"]
        )

    # ---- Experts ----

    def test_shows_the_load_in_percent(self):
        load = self.section("none", "load")
        self.assertIn(
            "cut, MLP experts: from 25.0 to 75.0 %; even would be 50.0 %", load["captions"]
        )
        self.assertTrue(
            any("after, attention experts" in text for text in load["captions"])
        )
        self.assertIn("layer 0, expert 0: 75.0 % of the layer's choices", load["points"])

    def test_shows_clusters_with_their_bounds(self):
        clusters = self.section("none", "clusters")
        self.assertIn("layer 0, cluster 1: 7 tokens", clusters["points"])
        self.assertIn("layer 0, expert 1: 8 tokens", clusters["points"])
        self.assertEqual(
            clusters["rows"][1], ["0", "3", "9", "5", "7", "yes", "2.500", "1", "1"]
        )

    def test_shows_routers_without_clusters(self):
        clusters = self.section("worse", "clusters")
        self.assertIn("draws at random", clusters["text"])
        self.assertEqual(
            clusters["points"],
            ["layer 4, expert 0: 1 tokens", "layer 4, expert 1: 2 tokens"],
        )
        self.assertEqual(clusters["rows"], [])

    def test_shows_the_overlap_of_neurons(self):
        overlap = self.section("none", "overlap")
        self.assertIn("layer 0, wanted by 2: 5 neurons", overlap["points"])
        # Size 8 and no residual expert; 6, 5 and 5 are wanted by none, one, two; all 16 are
        # given to one.
        self.assertEqual(overlap["rows"][1], ["0", "8", "-", "6", "5", "5", "0", "16", "0"])
        self.assertIn("without scores", self.section("worse", "overlap")["text"])

    def test_shows_the_energy_of_experts(self):
        energy = self.section("none", "energy")
        self.assertIn("energy: share of the routed neurons' energy", energy["captions"])
        self.assertEqual(
            energy["rows"][1],
            ["0", "4", "0.7500", "6", "0.5000", "0.6250", "0.5000", "1.500"],
        )

    def test_shows_the_activations_of_experts(self):
        rates = self.section("none", "rates")
        self.assertIn("rates: share of the routed neurons' activations", rates["captions"])
        self.assertEqual(
            rates["rows"][1],
            ["0", "4", "0.5000", "6", "0.2500", "0.7500", "0.7500", "1.250"],
        )

    def test_shows_the_distance_before_and_after(self):
        alignment = self.section("none", "alignment")
        self.assertEqual(
            alignment["points"], ["MLP before, layer 0: 0.75", "MLP after, layer 0: 3e-08"]
        )
        self.assertNotIn("attention before", alignment["text"])
        # Where every feature is dead there is no divergence.
        self.assertIn("attention before", self.section("worse", "alignment")["text"])
        self.assertEqual(
            self.section("worse", "alignment")["rows"][1][:4], ["2", "attention", "-", "-"]
        )

    def test_shows_what_a_reconstruction_did(self):
        made = self.section("none", "reconstruction")
        self.assertEqual(
            made["captions"],
            [
                "refitted (target dense_block): error of each block before and after",
                "refitted: share of the routed neurons' energy",
            ],
        )
        self.assertEqual(
            made["points"],
            [
                "MLP before, layer 0: 0.5",
                "MLP after, layer 0: 0.25",
                "attention before, layer 1: 0.125",
                "attention after, layer 1: 0.0625",
                "captured, layer 0: 0.625",
                "at best, layer 0: 0.75",
            ],
        )
        self.assertEqual(
            made["rows"][1:],
            [
                ["0", "MLP", "16", "0.5000", "0.2500", "0", "0.6250", "0.7500"],
                ["1", "attention", "8", "0.1250", "0.0625", "-", "-", "-"],
            ],
        )
        # No block has experts.
        self.assertEqual(len(self.section("worse", "reconstruction")["captions"]), 1)

    def test_shows_what_was_removed(self):
        removal = self.section("narrow", "removal")
        self.assertIn("narrow keeps 4 of 8 neurons in each MLP", removal["text"])
        self.assertIn("0.7500 of the energy in the mean", removal["text"])
        self.assertEqual(
            removal["captions"], ["narrow: share of the energy that the kept neurons have"]
        )
        self.assertEqual(removal["points"], ["kept, layer 0: 0.75"])
        self.assertEqual(
            removal["rows"][1:], [["0", "0.7500", "0.5000", "0.2500", "0.1250"]]
        )

    # ---- Provenance ----

    def test_says_step_by_step_whether_the_lock_holds(self):
        self.assertIn("✓ Everything is as pinned", self.found["verified"]["text"])
        self.assertEqual(self.row("verified", "lock", "mlp")[1], "✓ verified")
        differs = self.section("differs", "lock")["text"]
        self.assertIn("The first step that diverged is mlp.", differs)
        self.assertIn("What may have caused it", differs)
        self.assertEqual(self.row("differs", "lock", "mlp")[1], "✗ differs")
        self.assertIn("0" * 64, self.row("differs", "lock", "mlp: result")[1])
        self.assertIn("nothing is pinned yet", self.found["empty"]["text"])
        self.assertEqual(self.row("none", "lock", "mlp")[1], "made")

    def test_shows_timings_that_are_known(self):
        self.assertIn("No timings were recorded", self.found["none"]["text"])
        timings = self.section("verified", "timings")
        self.assertIn("A <fast> processor, kernels for avx2, 2 threads", timings["text"])
        self.assertIn(["scores", "1.50 s", "3.00 s", "3.00 MiB", ""], timings["rows"])
        self.assertIn(["mlp", "-", "-", "-", "not known"], timings["rows"])

    def test_lists_every_digest(self):
        text = self.section("none", "digests")["text"]
        report = self.base
        files = [
            file for step in report["steps"] for file in step["files"] + step["reports"]
        ]
        self.assertGreater(len(files), 9)
        for file in files:
            self.assertIn(file["sha256"], text)
        for digest in (report["inputs"]["spec"]["sha256"], "a" * 64, "c" * 64, "d" * 64):
            self.assertIn(digest, text)

    def test_says_how_to_make_it_again(self):
        reproduce = self.section("none", "reproduce")
        self.assertEqual(
            reproduce["pre"][:2],
            ["./bazelw run //x:small", "llama_moe run --experiment=small.textproto"],
        )
        self.assertIn('name: "neurons"', reproduce["pre"][2])
        self.assertIn("llama_moe 1.2.3", reproduce["text"])
        self.assertNotIn("bazelw", self.found["worse"]["text"].split("How to make it")[1])


def main() -> int:
    parser = argparse.ArgumentParser()
    # A program that prints the pages; their directory for screenshots is not needed.
    for flag in ("pages", "browser", "out"):
        parser.add_argument(f"--{flag}", required=True)
    arguments = parser.parse_args()
    made = subprocess.run([arguments.pages], capture_output=True, check=True, text=True)
    pages = json.loads(made.stdout)
    base = report_in(pages["none"])
    for change in (worse, little, narrow, hostile, no_numbers):
        pages[change.__name__] = with_report(pages["none"], changed(base, change))
    with tempfile.TemporaryDirectory() as directory:
        browser = Browser(arguments.browser, pathlib.Path(directory))
        ReportPageTest.found = browser.measure(pages, 1000, 900, _SCRIPT)
    ReportPageTest.base = base
    return 0 if unittest.main(argv=sys.argv[:1], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
