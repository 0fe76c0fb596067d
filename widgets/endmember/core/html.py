"""What a notebook shows of a spectrum image."""

from __future__ import annotations

from html import escape

import numpy as np
import scipy.sparse as sp

from endmember.core.axes import length_scale

WIDTH, HEIGHT = 360, 90  # of the sum spectrum's picture, in CSS pixels


def image_html(image):
    """Return a table of facts and the sum spectrum as a small picture."""
    rows = "".join(
        f"<tr><th style='text-align:left;padding-right:1em'>{escape(key)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for key, value in facts(image)
    )
    title = escape(image.title or "Spectrum image")
    picture = "" if image.is_lazy else sum_spectrum_svg(image)
    return (
        "<div class='endmember-image'>"
        f"<div style='font-weight:bold;margin-bottom:.3em'>{title}</div>"
        "<div style='display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start'>"
        f"<table style='margin:0'>{rows}</table>{picture}</div></div>"
    )


def facts(image):
    """Return what a person wants to know first, as pairs of name and text."""
    axis = image.signal_axis
    hidden = np.prod(image.navigation_shape, dtype=int) - image.n_pixels
    found = [("pixels", " × ".join(map(str, image.navigation_shape)) + _hidden(hidden))]
    across = image.navigation_axes[-1]
    if across.is_uniform and across.unit:
        step = length_scale(across) or {"size": abs(across.scale), "unit": across.unit}
        found.append(("pixel size", f"{step['size']:.4g} {step['unit']}"))
    unit = f" {axis.unit}" if axis.unit else ""
    span = f"{axis.values.min():.3g} to {axis.values.max():.4g}{unit}"
    found.append(("channels", f"{len(axis)}" + _hidden(len(axis) - image.n_channels)))
    found.append((axis.name or "axis", span))
    if not image.is_lazy:
        visible = image.spectra
        total = float(image.sum_spectrum().sum(dtype=np.float64))
        n_filled = np.count_nonzero(visible.data if sp.issparse(visible) else visible)
        zeros = 1 - n_filled / (image.n_pixels * image.n_channels)
        found.append(("counts per pixel", f"{total / image.n_pixels:.4g}"))
        found.append(("zeros", f"{zeros:.1%}"))
    form = "CSR" if image.is_sparse else "lazy" if image.is_lazy else "dense"
    found.append(("memory", f"{_bytes(image.nbytes)} ({form} {image.counts.dtype})"))
    if image.companions:
        found.append(("recorded alongside", ", ".join(image.companions)))
    if image.regions:
        found.append(("regions", ", ".join(image.regions)))
    return found


def sum_spectrum_svg(image):
    """Return the sum spectrum as an SVG picture, its highest channels kept when thinned."""
    spectrum, axis = image.sum_spectrum(), image.axis
    bins = np.linspace(0, spectrum.size, min(WIDTH, spectrum.size) + 1).astype(int)[:-1]
    heights = np.maximum.reduceat(spectrum, bins)
    x = np.linspace(0, WIDTH, heights.size)
    y = HEIGHT * (1 - heights / heights.max())
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    label = escape(f"sum spectrum, {axis[0]:.4g} to {axis[-1]:.4g} {image.unit}".strip())
    return (
        f"<svg role='img' aria-label='{label}' width='{WIDTH}' height='{HEIGHT + 18}' "
        f"viewBox='0 0 {WIDTH} {HEIGHT + 18}' style='overflow:visible'>"
        f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='1'/>"
        f"<line x1='0' x2='{WIDTH}' y1='{HEIGHT}' y2='{HEIGHT}' stroke='currentColor' "
        "opacity='.4'/>"
        f"<g fill='currentColor' font-size='11'><text x='0' y='{HEIGHT + 14}'>{axis[0]:.3g}</text>"
        f"<text x='{WIDTH / 2}' y='{HEIGHT + 14}' text-anchor='middle'>"
        f"{escape(image.signal_axis.label())}</text>"
        f"<text x='{WIDTH}' y='{HEIGHT + 14}' text-anchor='end'>{axis[-1]:.4g}</text></g></svg>"
    )


def _hidden(number):
    return f" ({number} hidden)" if number else ""


def _bytes(size):
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
