"""Colours that everybody can tell apart.

Okabe and Ito, Color Universal Design (2008), https://jfly.uni-koeln.de/color.
"""

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8a8a8a"
