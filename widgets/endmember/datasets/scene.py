"""A scene: what was recorded, together with the truth that made it."""

from __future__ import annotations

import numpy as np

from endmember.core.image import SpectrumImage
from endmember.datasets.score import score_result


class Scene:
    """A simulated recording and everything that is true of it.

    Parameters
    ----------
    name : str
        The specimen's name in :func:`endmember.datasets.names`.
    image : SpectrumImage or ndarray of shape (rows, columns)
        What was recorded: spectra, or a micrograph in which every pixel holds one number.
    settings : dict
        The arguments that made it, all of them.
    formula : str
        The forward model in one line.
    endmembers : ndarray of shape (n_components, n_channels), optional
        Expected counts of the pure spectra.
    abundances : ndarray of shape (n_pixels, n_components), optional
        How much of each is in every pixel, row after row.
    labels : ndarray of int of the navigation shape, optional
        Which phase every pixel belongs to; -1 where it belongs to none.
    names : sequence of str, optional
        What the endmembers, or else the phases, are called.
    axes : sequence of em.Axis, optional
        Rows and columns of a micrograph.
    **truth
        Whatever else is true: positions, angles, thicknesses; each becomes an attribute.

    Attributes
    ----------
    truth : dict
        Everything that is true, by name.
    code : str
        The expression that makes this scene again.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", seed=1)
    >>> scene.endmembers.shape[1] == scene.image.n_channels
    True
    """

    def __init__(
        self,
        name,
        image,
        *,
        settings,
        formula,
        endmembers=None,
        abundances=None,
        labels=None,
        names=(),
        axes=(),
        **truth,
    ):
        self.name = name
        self.image = image
        self.settings = dict(settings)
        self.formula = formula
        self.names = tuple(names)
        self.axes = tuple(axes)
        given = {"endmembers": endmembers, "abundances": abundances, "labels": labels, **truth}
        self.truth = {key: _settled(value) for key, value in given.items() if value is not None}
        if not isinstance(image, SpectrumImage):
            self.image = _settled(np.asarray(image))
        self.call_as(self.settings)

    def __getattr__(self, name):
        truth = self.__dict__.get("truth", {})
        if name in truth:
            return truth[name]
        if name in ("endmembers", "abundances", "labels"):
            return None
        raise AttributeError(f"this scene knows no {name!r}; what is true of it: {list(truth)}.")

    def __dir__(self):
        return [*super().__dir__(), *self.truth]

    def call_as(self, settings):
        """Name the settings that `code` spells out; the others are at their defaults."""
        spelled = "".join(f", {key}={value!r}" for key, value in settings.items())
        self.code = f'em.datasets.load("{self.name}"{spelled})'
        if isinstance(self.image, SpectrumImage):
            self.image.code = f"{self.code}.image"

    @property
    def expected(self):
        """What the noise was drawn about: expected counts, shaped as spectra or as a micrograph."""
        is_mixture = self.abundances is not None and self.endmembers is not None
        if "expected" in self.truth or not is_mixture:
            return self.__getattr__("expected")
        return self.abundances @ self.endmembers

    def score(self, result=None, *, endmembers=None, abundances=None, labels=None):
        """Say how close a result comes to the truth.

        Parameters
        ----------
        result : estimator, Decomposition, HyperSpy signal or array, optional
            A fitted estimator with ``components_`` or ``labels_``; a signal after
            ``decomposition``; an array of spectra ``(n_components, n_channels)``, or one of labels.
        endmembers, abundances, labels : array_like, optional
            The same one by one, shaped as the truth.

        Returns
        -------
        Score
            Angles, correlations, agreement of labels, and in words what is good enough; true where
            all of it is.

        Examples
        --------
        >>> import endmember as em
        >>> scene = em.datasets.load("mixture")
        >>> bool(scene.score(scene.endmembers[::-1]))
        True
        """
        return score_result(
            self, result, endmembers=endmembers, abundances=abundances, labels=labels
        )

    def __repr__(self):
        what = repr(self.image) if isinstance(self.image, SpectrumImage) else str(self.image.shape)
        truth = ", ".join(self.truth) or "not known"
        return f"<Scene {self.name!r}, {what}, truth: {truth}>"


def _settled(value):
    """Return a truth that nobody changes by accident."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value
