"""The maps of a regression: coefficients, and what the fit leaves of the counts."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.map_view import MapView
from endmember.widgets.teaching.regression_parts import FIT
from endmember.widgets.teaching.regression_state import NOTHING

SUM = "their sum"
CHI2_LIMITS = (0.0, 5.0)  # where 1 is what noise alone leaves
BRIGHT = 99.5  # per cent of the pixels of a map are below its last colour
TINY = 1e-9  # the least that a map of nothing reaches up to
DIGITS = 3  # of what the page is told; no eye sees more


class RegressionMaps:
    """Three maps with one pointer.

    Parameters
    ----------
    state : RegressionState
        Where they come from.

    Attributes
    ----------
    coefficients, misfit, chi2 : MapView
        Coefficients of a reference or their sum, root mean square of the residual, and reduced
        chi-square.
    """

    def __init__(self, state):
        self._state, image = state, state.image
        shared = {
            "shape": image.navigation_shape,
            "pixel_size": length_scale(image.navigation_axes[-1]),
            "tools": ["point"],
        }
        self.coefficients, self.misfit, self.chi2 = (MapView(**shared) for _ in range(3))
        self.coefficients.limits = _limits(state.coefficients())
        self.misfit.unit = "counts"
        self.chi2.limits = CHI2_LIMITS
        for view in (self.coefficients, self.misfit):
            ipw.jslink((self.chi2, "hovered"), (view, "hovered"))
            ipw.jslink((self.chi2, "pixel"), (view, "pixel"))
            tl.link((self.chi2, "pixel"), (view, "pixel"))
        tl.link((state, "pixel"), (self.chi2, "pixel"))

    def follow(self, steps):
        """Let the page show every map of every fit."""
        state, drive = self._state, steps.drive
        of_fits = state.of_all_fits
        by = [*FIT, "coefficient"]
        drive(self.coefficients, "values", of_fits(state.layers), by=by, digits=DIGITS)
        maps = [*(f"coefficient of {name}" for name in state.names), "sum of coefficients"]
        words = of_fits(lambda *fit: [f"{what}: {_said(*fit)}" for what in maps])
        drive(self.coefficients, "caption", words, by=by)
        every_fit = [fit for row in of_fits(state.coefficients) for fit in row]
        ends = [self.coefficients.limits] * len(state.names) + [_limits(*every_fit)]
        drive(self.coefficients, "limits", ends, by=["coefficient"])
        for view, made, what in [
            (self.misfit, state.misfit, "rms residual"),
            (self.chi2, state.chi2, "reduced chi-square"),
        ]:
            drive(view, "values", of_fits(made), by=FIT, digits=DIGITS)
            words = of_fits(lambda *fit, what=what: f"{what}: {_said(*fit)}")
            drive(view, "caption", words, by=FIT)


def _limits(*fits):
    """Return the ends of a colour scale on which the sum of coefficients of no fit is flat."""
    sums = [np.nansum(coefficients, axis=-1) for coefficients in fits]
    return 0.0, max(TINY, *(float(np.nanpercentile(total, BRIGHT)) for total in sums))


def _said(window, without):
    return window if without == NOTHING else f"{window} without {without}"
