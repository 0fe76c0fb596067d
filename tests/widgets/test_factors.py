"""Factors on a page: what they lose, where they may lose it, and how small they get."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endmember.widgets.factors import (
    MOST_BYTES,
    STEP,
    block_means,
    byte_planes,
    compact_factors,
    deflated_pins,
    pack_factors,
    spread,
    upper_half,
)

SHAPE = (23, 31)


def simulate(shape=SHAPE, n_components=6, n_channels=40, n_above=2, seed=0):
    rng = np.random.default_rng(seed)
    n_pixels = shape[0] * shape[1]
    spectra = np.linalg.qr(rng.normal(size=(n_channels, n_components)))[0].T
    scores = rng.normal(size=(n_components, n_pixels))
    scores[:n_above] *= np.array([60.0, 9.0])[:n_above, None]
    heights = rng.uniform(0.5, 4, n_pixels)
    heights[5] = 0
    scores[:, 5] = 0
    return {
        "axis": np.arange(n_channels, dtype=np.float64),
        "scores": scores.astype("f4"),
        "spectra": spectra.astype("f4"),
        "heights": heights.astype("f4"),
        "norms": ((scores**2).sum(axis=0) + rng.chisquare(n_channels, n_pixels)).astype("f4"),
        "edge": 1.5,
        "n_above": n_above,
        "n_channels": n_channels,
    }


def read(compact, shape=SHAPE):
    """Read compact factors as a page does, in NumPy."""
    raw = {k: zlib.decompress(v) if isinstance(v, bytes) else v for k, v in compact.items()}

    def planes(name):
        low, high = np.frombuffer(raw[name], "u1").reshape(2, -1).astype("u2")
        return low | (high << 8)

    def halves(name):
        return (planes(name).astype("u4") << 16).view("f4")

    steps, scores, start = planes("scores").view("i2"), [], 0
    for size in raw["blocks"]:
        n = -(-shape[0] // size) * -(-shape[1] // size)
        scores.append(spread(steps[start : start + n] * raw["step"], shape, size))
        start += n
    assert start == steps.size
    scores = np.array(scores)
    energies = scores**2 + np.array(raw["within"])[:, None]
    hidden = np.unpackbits(np.frombuffer(raw["hidden"], "u1"))[: scores.shape[1]].astype(bool)
    scales = np.frombuffer(raw["scales"], "f4")
    return {
        "scores": scores,
        "energies": energies,
        "norms": spread(halves("rest"), shape, raw["block"]) + energies.sum(axis=0),
        "heights": np.where(hidden, 0, spread(halves("heights"), shape, raw["block"])),
        "spectra": np.frombuffer(raw["spectra"], "i2").reshape(scales.size, -1) * scales[:, None],
    }


def test_packed_scores_are_those_of_the_factors_to_rounding():
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=(3, 50)) * [[30], [1], [0]]).astype("f4")
    packed = pack_factors({"scores": scores, "edge": 1.5})
    steps = np.frombuffer(packed["scores"], "<i2").reshape(3, 50)
    scales = np.frombuffer(packed["scales"], "<f4")
    largest = np.abs(scores).max(axis=1, keepdims=True)
    assert (np.abs(steps * scales[:, None] - scores) <= largest / 65534 * 1.01).all()
    assert packed["edge"] == 1.5


def test_where_there_is_room_every_component_keeps_its_size_to_a_step():
    factors = simulate()
    found = read(compact_factors(pack_factors(factors), SHAPE))
    rounding = STEP / 2 + 300 / 65534  # of the step, and of the int16 that came in
    assert np.abs(found["scores"] - factors["scores"]).max() <= rounding
    assert np.abs(found["spectra"] - factors["spectra"]).max() <= 1 / 65534 * 1.01
    np.testing.assert_allclose(found["heights"], factors["heights"], rtol=2**-8)
    assert found["heights"][5] == 0


def test_what_a_rank_leaves_in_all_channels_survives():
    """The squares that are taken off are those that were added, so that no error is left over."""
    factors = simulate()
    rest = factors["norms"] - (factors["scores"] ** 2).sum(axis=0)
    found = read(compact_factors(pack_factors(factors), SHAPE))
    for rank in range(7):
        expected = factors["norms"] - (factors["scores"][:rank] ** 2).sum(axis=0)
        left = found["norms"] - found["energies"][:rank].sum(axis=0)
        packing, step = np.abs(factors["scores"]).max() / 65534 * 1.01, STEP / 2
        sizes = np.abs(factors["scores"])  # every one was packed, and those still inside have steps
        rounding = 2 * (sizes.sum(axis=0) * packing + sizes[rank:].sum(axis=0) * step)
        rounding += 6 * (packing + step) ** 2 + rest * 2**-8
        assert (np.abs(left - expected) <= rounding)[factors["heights"] > 0].all()


def test_block_means_keep_the_mean_square_of_every_component():
    factors = simulate((64, 64), n_components=10)
    packed = pack_factors(factors)
    whole = sum(len(v) for v in compact_factors(packed, (64, 64)).values() if isinstance(v, bytes))
    compact = compact_factors(packed, (64, 64), most_bytes=whole - 1000)
    assert compact["blocks"][:4] == [1] * 4  # two above the edge, and two more
    assert set(compact["blocks"][4:]) == {2}
    found = read(compact, (64, 64))
    taken = factors["heights"] > 0
    np.testing.assert_allclose(
        found["energies"][:, taken].mean(axis=1),
        (factors["scores"][:, taken] ** 2).mean(axis=1),
        rtol=0.02,
    )


def test_a_large_map_of_noise_stays_below_the_limit():
    shape = (512, 384)
    factors = simulate(shape, n_components=16, n_channels=1564)
    compact = compact_factors(pack_factors(factors), shape)
    assert sum(len(v) for v in compact.values() if isinstance(v, bytes)) <= MOST_BYTES
    assert compact["blocks"][-1] > 1


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    size=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_block_means_are_means_of_what_was_taken(rows, columns, size, seed):
    rng = np.random.default_rng(seed)
    values, taken = rng.normal(size=rows * columns), rng.random(rows * columns) < 0.7
    found = spread(block_means(values, taken, (rows, columns), size), (rows, columns), size)
    for p in range(rows * columns):
        row, column = divmod(p, columns)
        rows_of, columns_of = np.divmod(np.arange(rows * columns), columns)
        inside = (rows_of // size == row // size) & (columns_of // size == column // size) & taken
        if size == 1 and not taken[p]:
            assert found[p] == 0
        else:
            expected = values[inside].mean() if inside.any() else 0
            assert found[p] == pytest.approx(expected, abs=1e-12)


def test_the_upper_half_of_a_float_keeps_eight_bits():
    values = np.array([0.0, 1.0, -3.1415926, 1e-9, 6.02e23], dtype="f4")
    back = (upper_half(values).astype("u4") << 16).view("f4")
    np.testing.assert_allclose(back, values, rtol=2**-8)


def test_byte_planes_hold_low_bytes_first():
    planes = byte_planes(np.array([0x0102, 0x0304], dtype="<u2"))
    assert planes.tobytes() == bytes([2, 4, 1, 3])


def test_pins_are_deflated_whole():
    pins = {"pixels": [[1, 2]], "values": b"abc" * 100}
    small = deflated_pins(pins)
    assert zlib.decompress(small["values"]) == pins["values"]
    assert small["deflated"] and small["pixels"] == [[1, 2]]
