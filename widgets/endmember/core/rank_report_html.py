"""What a notebook shows of a rank report: the votes in a table, and the scree as a picture."""

from __future__ import annotations

from html import escape
from textwrap import wrap

import numpy as np

WIDTH, HEIGHT, LEFT = 460, 220, 46  # of the picture's plot, in CSS pixels
LINE, TICKS = 13, 16  # of the names below it, and of the numbers above them
LONGEST = 56  # characters of names in one line, which a page 700 CSS pixels wide has room for
SCREES = (("edge", "gavish-donoho", "elbow"), ("biwhitened",))  # of which the first that is there
NAMES = ("Keenan-Kotula scaling", "biwhitened")
MARKS = (
    "<circle cx='{x:.1f}' cy='{y:.1f}' r='3.2' fill='currentColor'/>",
    "<circle cx='{x:.1f}' cy='{y:.1f}' r='3.2' fill='none' stroke='currentColor'/>",
)
DASHES = ("", "stroke-dasharray='5 3'")


def report_html(report):
    """Return the sentence, the warnings, the scree and the table of a report."""
    wrong = "".join(f"<li>{escape(text)}</li>" for text in report.warnings)
    pending = ", ".join(report.pending)
    return (
        "<div class='endmember-rank-report'>"
        f"<p style='max-width:60em'><b>Rank {report.rank}</b>: {escape(report.sentence)}</p>"
        + (f"<ul style='max-width:60em'>{wrong}</ul>" if wrong else "")
        + (f"<p>Yet to answer: {escape(pending)}.</p>" if pending else "")
        + scree_svg(report)
        + table(report)
        + "</div>"
    )


def table(report):
    """Return a row for each rule."""
    head = ("rule", "rank", "asks", "misled by", "seconds")
    rows = "".join(_row(rule, rule.rank == report.rank) for rule in report.rules.values())
    cells = "".join(f"<th style='text-align:left'>{name}</th>" for name in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"


def _row(rule, is_agreed):
    rank = "–" if rule.rank is None else str(rule.rank)
    rank = f"<b>{rank}</b>" if is_agreed else rank
    asks = escape(rule.question) + (f"<br><i>{escape(rule.note)}</i>" if rule.note else "")
    cells = (escape(rule.name), rank, asks, escape(rule.misled_by), f"{rule.seconds:.2g}")
    style = (
        "text-align:left;vertical-align:top;max-width:26em;white-space:normal;padding-right:12px"
    )
    return "<tr>" + "".join(f"<td style='{style}'>{cell}</td>" for cell in cells) + "</tr>"


def scree_svg(report):
    """Return the screes on a logarithmic axis, their noise edges, and every rule's vote."""
    screes = [_first(report, names) for names in SCREES]
    known = [(i, rule) for i, rule in enumerate(screes) if rule is not None]
    if not known:
        return ""
    plot = _Plot([rule for _, rule in known])
    parts = [plot.frame()]
    if report.rank is not None:
        parts.append(plot.upright(report.rank))
    parts += [plot.scree(rule, i) for i, rule in known]
    votes, height = plot.votes(report)
    label = escape(f"scree of {report.shape[0]} pixels; {report.sentence}")
    total = HEIGHT + height + 30
    return (
        f"<svg role='img' aria-label='{label}' width='{LEFT + WIDTH + 10}' height='{total}' "
        f"viewBox='{-LEFT} -8 {LEFT + WIDTH + 10} {total}' style='overflow:visible' "
        f"font-size='11' fill='currentColor'>{''.join(parts)}{votes}</svg>"
    )


def _first(report, names):
    """Return the first of some rules that was asked and has a curve of two points or more."""
    rules = (report.rules.get(name) for name in names)
    return next((rule for rule in rules if rule is not None and len(rule.values) > 1), None)


class _Plot:
    """Where things stand in the picture.

    Parameters
    ----------
    rules : list of RankRule
        Whose values are drawn.
    """

    def __init__(self, rules):
        values = np.concatenate([rule.values for rule in rules])
        values = values[values > 1e-3 * values[1:].max(initial=1e-300)]
        self._low, self._high = np.log10(values.min()), np.log10(values.max())
        self._span = max(self._high - self._low, 0.1)
        self._n = max(len(rule.values) for rule in rules)

    def x(self, k):
        return (min(k, self._n) - 0.5) * WIDTH / self._n

    def y(self, value):
        height = np.log10(max(value, 10**self._low))
        return 8 + (HEIGHT - 16) * (1 - (height - self._low) / self._span)

    def frame(self):
        """Return the axes and their labels."""
        powers = range(int(np.ceil(self._low)), int(np.floor(self._high)) + 1)
        ticks = "".join(
            f"<line x1='-4' x2='0' y1='{self.y(10.0**p):.1f}' y2='{self.y(10.0**p):.1f}' "
            f"stroke='currentColor'/><text x='-7' y='{self.y(10.0**p) + 4:.1f}' "
            f"text-anchor='end'>{10.0**p:g}</text>"
            for p in powers
        )
        numbers = "".join(
            f"<text x='{self.x(k):.1f}' y='{HEIGHT + 12}' text-anchor='middle'>{k}</text>"
            for k in sorted({1, *range(5, self._n + 1, 5)})
        )
        return (
            f"<path d='M0 0V{HEIGHT}H{WIDTH}' fill='none' stroke='currentColor' opacity='.5'/>"
            f"{ticks}{numbers}<text transform='translate(-36 {HEIGHT / 2}) rotate(-90)' "
            "text-anchor='middle'>eigenvalue, noise variances</text>"
        )

    def upright(self, rank):
        """Return a line after the last component."""
        x = rank * WIDTH / self._n
        return f"<line x1='{x}' x2='{x}' y1='0' y2='{HEIGHT}' stroke='currentColor' opacity='.35'/>"

    def scree(self, rule, i):
        """Return the eigenvalues of one scaling, its noise edge and its name."""
        points = zip(rule.ks, rule.values, strict=True)
        marks = "".join(MARKS[i].format(x=self.x(k), y=self.y(v)) for k, v in points)
        edge = ""
        if rule.name in ("edge", "biwhitened"):
            y = self.y(rule.threshold[0])
            edge = (
                f"<line x1='0' x2='{WIDTH}' y1='{y:.1f}' y2='{y:.1f}' stroke='currentColor' "
                f"opacity='.6' {DASHES[i]}/>"
            )
        name = MARKS[i].format(x=WIDTH - 150, y=10 + 16 * i)
        name += f"<text x='{WIDTH - 140}' y='{14 + 16 * i}'>{NAMES[i]}</text>"
        return edge + marks + name

    def votes(self, report):
        """Return the names of the rules below the ranks that they vote for, and their height."""
        ranks = {rule.rank for rule in report.rules.values() if rule.rank is not None}
        parts, y = [], HEIGHT + TICKS + LINE
        for rank in sorted(ranks, reverse=True):  # so that no line crosses a name
            names = ", ".join(r.name for r in report.rules.values() if r.rank == rank)
            anchor = "start" if rank <= self._n / 2 else "end"
            weight = "bold" if rank == report.rank else "normal"
            parts.append(
                f"<line x1='{self.x(rank):.1f}' x2='{self.x(rank):.1f}' y1='{HEIGHT + TICKS}' "
                f"y2='{y - 10}' stroke='currentColor' opacity='.3'/>"
            )
            for words in wrap(f"{rank}: {names}", LONGEST, break_on_hyphens=False):
                parts.append(
                    f"<text x='{self.x(rank):.1f}' y='{y}' text-anchor='{anchor}' "
                    f"font-weight='{weight}'>{escape(words)}</text>"
                )
                y += LINE
        return "".join(parts), y - LINE - HEIGHT
