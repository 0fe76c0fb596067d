"""The sum spectrum of a region, and line intensities along one."""

from __future__ import annotations

import bqplot as bq
import numpy as np

from endmember.widgets.component_plots import CurvePlot
from endmember.widgets.map_traits import label_colors
from endmember.widgets.palette import BLUE

MOST = 8  # lines of a profile that colours can tell apart
BAND = 0.25  # opacity of the errors


class SumPlot(CurvePlot):
    """The counts of all pixels of a region.

    Parameters
    ----------
    axis : ndarray of shape (n_channels,)
        Where the channels lie.
    label : str
        What stands along the axis.
    """

    def __init__(self, axis, label):
        def marks(scales):
            shared = {"x": axis, "y": np.zeros(len(axis)), "scales": scales}
            self.line = bq.Lines(
                colors=[BLUE], stroke_width=1.2, labels=[""], display_legend=True, **shared
            )
            return [self.line]

        super().__init__(axis, label, marks, height=220)
        self.y_axis.tick_format = "~s"  # sums are large

    def set_axis(self, axis, label):
        """Let the channels lie elsewhere; arguments as for the class."""
        self.axis = np.asarray(axis, dtype=np.float64)
        low, high = float(axis.min()), float(axis.max())
        self._x.min, self._x.max = low, (high if high > low else low + 1.0)
        self.axes[0].label = label
        with self.line.hold_sync():
            self.line.x, self.line.y = axis, np.zeros(len(axis))

    def show(self, spectrum, name):
        """Draw a spectrum of shape (n_channels,), in counts."""
        with self.line.hold_sync():
            self.line.y, self.line.labels = np.asarray(spectrum, float), [f"sum of {name}"]
        self._reach(self.line.y)


class ProfilePlot(CurvePlot):
    """Mean counts of lines along a region, with their errors as bands."""

    def __init__(self):
        nothing = np.zeros(2)
        colors = label_colors(MOST)

        def marks(scales):
            self.bands = [
                bq.Lines(
                    x=nothing,
                    y=np.zeros((2, 2)),
                    scales=scales,
                    colors=[color] * 2,
                    fill_colors=[color] * 2,
                    fill="between",
                    fill_opacities=[BAND],
                    opacities=[0.0],
                    visible=False,
                )
                for color in colors
            ]
            self.lines = [
                bq.Lines(
                    x=nothing,
                    y=nothing,
                    scales=scales,
                    colors=[color],
                    stroke_width=1.8,
                    labels=[""],
                    visible=False,
                )
                for color in colors
            ]
            return [*self.bands, *self.lines]

        super().__init__(nothing, "distance", marks, height=240)
        self.y_axis.label = "counts per pixel"

    def show(self, profile):
        """Draw a :class:`Profile`: its lines, or all counts where there are none."""
        named = [name for name in profile.means if name != "counts"][:MOST] or ["counts"]
        self._set_axis(profile)
        ends = []
        for place, (line, band) in enumerate(zip(self.lines, self.bands, strict=True)):
            line.visible = line.display_legend = band.visible = place < len(named)
            if line.visible:
                ends += self._draw(line, band, profile, named[place])
        self._reach(*ends)

    def _set_axis(self, profile):
        low, high = float(profile.distance.min()), float(profile.distance.max())
        self._x.min, self._x.max = low, (high if high > low else low + 1.0)
        self.axes[0].label = f"distance ({profile.unit})"

    def _draw(self, line, band, profile, name):
        mean, error = profile.means[name], profile.errors[name]
        with line.hold_sync(), band.hold_sync():
            line.x = band.x = profile.distance
            line.y, line.labels = mean, [name]
            band.y = np.array([mean - error, mean + error])
        return [mean + error, mean - error]
