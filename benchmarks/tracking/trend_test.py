"""Tests of trend."""

import html.parser
import unittest

import history
import registry
import trend

_MACHINE = history.Machine("A <fast> one", 8, 1 << 34, "Debian", "Linux 6.1", "avx2")


def _metrics() -> list[registry.Metric]:
    return [
        registry.Metric(
            name=name,
            benchmark="a_benchmark",
            row="BM_A",
            counter="ratio",
            unit="times <cp>",
            direction=registry.LOWER,
            baseline=2,
            threshold=0.5,
            owner="gates",
        )
        for name in ("gates/assign", "split/get_grads")
    ]


def _run(day: int, figures: dict[str, float], measurements: dict[str, int] | None = None):
    date = f"2026-01-{day:02}T03:04:05Z"
    return history.Run(date, "4f3a", _MACHINE, figures, measurements or {})


class _Checker(html.parser.HTMLParser):
    """Sees that every element is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


class TrendTest(unittest.TestCase):
    def test_has_a_chart_of_every_metric_over_all_runs(self):
        runs = [
            _run(2, {"gates/assign": 1.25}),
            _run(3, {"gates/assign": 1.5, "split/get_grads": 2.125}, {"gates/assign": 7}),
        ]
        page = trend.page(_metrics(), runs)
        for text in (
            'aria-label="gates/assign"',
            'aria-label="split/get_grads"',
            "<title>ratio, 2026-01-02: 1.25</title>",
            "<title>ratio, 2026-01-03: 2.125</title>",
            "2 runs; the last one is of 2026-01-03T03:04:05Z.",
            ">7</td>",
            ">baseline 2</text>",
            ">worst allowed 3</text>",
            "times &lt;cp&gt;",
            "<td>A &lt;fast&gt; one</td>",
            "<td>16 GiB</td>",
            "<td>lower</td>",
        ):
            self.assertIn(text, page)

    def test_says_when_there_is_no_run(self):
        self.assertIn("No run yet", trend.page(_metrics(), []))

    def test_is_a_whole_page_that_needs_no_other_file(self):
        for runs in ([], [_run(2, {"gates/assign": 1})]):
            page = trend.page(_metrics(), runs)
            checker = _Checker()
            checker.feed(page)
            self.assertEqual(checker.open, [])
            self.assertIn("prefers-color-scheme: dark", page)
            self.assertNotIn("http", page)
            self.assertNotIn("<script", page)

    def test_has_a_gap_where_there_is_no_figure(self):
        figures = [1, 2, None, 3, 2.5]
        runs = [
            _run(day, {} if figure is None else {"gates/assign": figure})
            for day, figure in enumerate(figures, start=1)
        ]
        page = trend.page(_metrics()[:1], runs)
        self.assertEqual(page.count("<circle"), 4)
        # From the left end to the right one; 1 and 3 are the ends of the axis.
        path = 'd="M48.0 150.0 L124.0 82.0 M276.0 14.0 L352.0 48.0 "'
        self.assertIn(path, page)

    def test_one_run_stands_in_the_middle(self):
        page = trend.page(_metrics()[:1], [_run(2, {"gates/assign": 2.5})])
        self.assertIn("1 run; ", page)
        self.assertEqual(page.count('<circle cx="200.0"'), 1)
        self.assertIn('x="200.0" y="167.0" text-anchor="middle">2026-01-02</text>', page)

    def test_dates_as_many_runs_as_have_room(self):
        for number, days in ((2, [1, 2]), (4, [1, 2, 3, 4]), (5, [1, 3, 5]), (8, [1, 8])):
            runs = [_run(day, {"gates/assign": 2}) for day in range(1, number + 1)]
            page = trend.page(_metrics()[:1], runs)
            dated = [day for day in range(1, 9) if f">2026-01-{day:02}</text>" in page]
            self.assertEqual(dated, days)

    def test_ticks_are_round_and_enclose_the_values(self):
        self.assertEqual(trend.ticks([1, 2, 3]), [1, 1.5, 2, 2.5, 3])
        self.assertEqual(trend.ticks([0.9, 3.1]), [0.5, 1, 1.5, 2, 2.5, 3, 3.5])
        self.assertEqual(trend.ticks([-3, 120]), [-50, 0, 50, 100, 150])
        for values in ([2, 2], [0, 0], [0.0012, 0.0013], [1, 1e6], [0, 6], [0, 0.6]):
            ticks = trend.ticks(values)
            self.assertTrue(2 <= len(ticks) <= 8, values)
            self.assertLessEqual(ticks[0], min(values))
            self.assertGreaterEqual(ticks[-1] * (1 + 1e-12), max(values))


if __name__ == "__main__":
    unittest.main()
