"""The page of the trend: how the tracked figures went from run to run."""

import collections.abc
import html
import math

import history
import registry

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1c20; --faint: #626a76; --line: #d4d8de;
  --ground: #ffffff; --shade: #f5f6f8; --accent: #1f5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #9aa3af;
  --line: #3a4048; --ground: #16181c; --shade: #1f2227; --accent: #7db3ef; } }
body { color: var(--ink); background: var(--ground); margin: 1.5rem auto;
  max-width: 72rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem; text-align: left;
  white-space: nowrap; }
th { background: var(--shade); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.charts { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); }
figure { margin: 0; } figcaption { overflow-wrap: anywhere; }
figcaption span { color: var(--faint); }
svg { display: block; height: auto; width: 100%; }
svg text { fill: var(--faint); font: 11px system-ui, sans-serif; paint-order: stroke;
  stroke: var(--ground); stroke-width: 3px; }
"""

# A chart is as wide as a telephone shows it, so that its text is as large as the page's.
_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 352, 14, 150
_MOST_TICKS = 6
_MOST_DATES = 4


def _tick_step(width: float) -> float:
    """Returns 1, 2 or 5 times a power of ten, of which at most _MOST_TICKS make the width."""
    power = 10.0 ** math.floor(math.log10(width / _MOST_TICKS))
    # The last factor is for a logarithm that was rounded down.
    factors = (1, 2, 5, 10, 20)
    return next(f * power for f in factors if width / (f * power) <= _MOST_TICKS)


def ticks(values: list[float]) -> list[float]:
    """Returns round numbers, the same step apart, between which all values lie."""
    low, high = min(values), max(values)
    step = _tick_step(high - low or 1.0)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [i * step for i in range(first, last + 1)]


def _labelled(last: int) -> range:
    """Returns the places of 0..last that get a date: both ends, and some evenly between."""
    has_room = (s for s in range(1, last + 1) if last % s == 0 and last < s * _MOST_DATES)
    return range(0, last + 1, next(has_room, 1))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>\n'


def _level(y: float, color: str, dashes: str = "none") -> str:
    return (
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--{color})" '
        f'stroke-dasharray="{dashes}"/>\n'
    )


def _curve(points: list[tuple[float, float, str] | None]) -> str:
    """Returns a line through points (x, y, title), with a gap where there is none."""
    path, marks = "", ""
    for i, point in enumerate(points):
        if point is None:
            continue
        x, y, title = point
        path += f"{'L' if i > 0 and points[i - 1] else 'M'}{x:.1f} {y:.1f} "
        marks += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="var(--accent)">'
            f"<title>{html.escape(title)}</title></circle>\n"
        )
    return f'<path d="{path}" fill="none" stroke="var(--accent)" stroke-width="1.8"/>\n{marks}'


def _chart(metric: registry.Metric, runs: list[history.Run]) -> str:
    levels = {"baseline": metric.baseline, "worst allowed": metric.worst_allowed()}
    figures = [run.figures.get(metric.name) for run in runs]
    # A whole time has no room below a chart; the table of runs has it.
    days = [run.date[: len("2026-01-02")] for run in runs]
    axis = ticks([f for f in figures if f is not None] + list(levels.values()))
    last = len(runs) - 1

    def x(place: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (place / last if last else 0.5)

    def y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - axis[0]) / (axis[-1] - axis[0])

    svg = ""
    for tick in axis:
        svg += _level(y(tick), "line") + _text(_LEFT - 6, y(tick) + 4, f"{tick:.6g}", "end")
    for place in _labelled(last):
        anchor = "middle" if 0 < place < last or not last else "end" if place else "start"
        svg += _text(x(place), _BOTTOM + 17, days[place], anchor)
    svg += _text((_LEFT + _RIGHT) / 2, _BOTTOM + 33, "runs", "middle")
    # Their names are at opposite ends, as the two may be close to each other.
    for (name, value), at in zip(levels.items(), ((_RIGHT, "end"), (_LEFT + 2, "start"))):
        svg += _level(y(value), "faint", dashes="4 4")
        svg += _text(at[0], y(value) - 4, f"{name} {value:.6g}", at[1])
    points = [
        None if f is None else (x(i), y(f), f"{metric.counter}, {days[i]}: {f:.6g}")
        for i, f in enumerate(figures)
    ]
    name = html.escape(metric.name)
    return (
        f"<figure>\n<figcaption>{name} <span>{html.escape(metric.counter)}, "
        f"{html.escape(metric.unit)}</span></figcaption>\n"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">\n'
        f"{svg}{_curve(points)}</svg>\n</figure>\n"
    )


def _cell(element: str, cell: str | float | None, is_number: bool) -> str:
    css = ' class="number"' if is_number else ""
    text = cell if isinstance(cell, str) else "" if cell is None else f"{cell:.4g}"
    return f"<{element}{css}>{html.escape(text)}</{element}>"


def _table(header: str, rows: collections.abc.Iterable[list[str | float | None]]) -> str:
    """A table; what is no text is shown to four digits, at the right."""
    rows = list(rows)
    is_number = [not isinstance(cell, str) for cell in rows[0]]

    def line(element: str, cells: list[str | float | None]) -> str:
        parts = [_cell(element, cell, right) for cell, right in zip(cells, is_number, strict=True)]
        return f"<tr>{''.join(parts)}</tr>\n"

    body = "".join(line("td", row) for row in rows)
    head = line("th", header.split("|"))
    return f"<table>\n<thead>\n{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _last_figures(metrics: list[registry.Metric], run: history.Run) -> str:
    return _table(
        "metric|figure|baseline|worst allowed|unit|better|times measured|owner",
        (
            [
                metric.name,
                run.figures.get(metric.name),
                metric.baseline,
                metric.worst_allowed(),
                metric.unit,
                "lower" if metric.direction == registry.LOWER else "higher",
                run.measurements.get(metric.name, 1),
                metric.owner,
            ]
            for metric in metrics
        ),
    )


def _runs(runs: list[history.Run]) -> str:
    return _table(
        "date|revision|processor|processors|memory|distribution|kernel|SIMD",
        (
            [
                run.date,
                run.revision,
                run.machine.processor,
                run.machine.num_processors,
                f"{run.machine.memory_bytes / 2**30:.0f} GiB",
                run.machine.distribution,
                run.machine.kernel,
                run.machine.simd_target,
            ]
            for run in runs
        ),
    )


def page(metrics: list[registry.Metric], runs: list[history.Run]) -> str:
    """Returns a self-contained HTML page.

    The last run's figures beside the baselines, a chart for every metric with its
    baseline and the worst figure that is no regression, and the machines of the runs.
    """
    body = "<p>No run yet.</p>\n"
    if runs:
        count = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
        charts = "".join(_chart(metric, runs) for metric in metrics)
        body = (
            f"<p>{count}; the last one is of {html.escape(runs[-1].date)}. Figures are ratios "
            "taken in one run, so that different machines can be compared.</p>\n"
            f"<h2>Last run</h2>\n{_last_figures(metrics, runs[-1])}"
            f'<h2>Trends</h2>\n<div class="charts">\n{charts}</div>\n'
            f"<h2>Runs</h2>\n{_runs(runs)}"
        )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Performance</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Performance</h1>\n{body}</body>\n</html>\n"
    )
