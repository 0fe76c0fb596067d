"""The controls of a component browser move its state and follow it, with no browser."""

import numpy as np
import pytest
import traitlets as tl

import endmember as em
from endmember.widgets.component_browser import ComponentBrowser
from endmember.widgets.scatter import scatter_ends

ROWS, COLUMNS = 14, 11
CORNER = {"kind": "rectangle", "points": [[0.0, 6.0], [2.0, 8.0]]}


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=(ROWS, COLUMNS))
    counts = rng.poisson(shares @ rng.gamma(1.0, 30.0, size=(3, 40)))
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[3, 2] = True
    return em.SpectrumImage(counts, np.linspace(0.1, 8, 40), title="<b>three</b>", mask=mask)


@pytest.fixture(scope="module")
def result(image):
    return em.decompose(image, em.NMF(3, random_state=0))


@pytest.fixture
def browser(result):
    browser = ComponentBrowser(result)
    yield browser
    for name in list(browser.state.regions.regions):  # other tests have the same data
        browser.state.regions.remove(name)
    browser.close()


def test_a_closed_browser_leaves_the_list_of_regions(result, browser):
    def observers():
        return {name: len(one["change"]) for name, one in kept._trait_notifiers.items()}

    kept = browser.state.regions
    before = observers()
    other = ComponentBrowser(result)
    assert other.state.regions is kept
    assert observers() != before
    code = other.code.value
    other.close()
    other.close()  # once more does no harm
    assert observers() == before
    kept.keep("corner", CORNER)
    assert other.code.value == code


def put_nothing(browser):
    browser.map.region = {}
    browser.scatter.region = {}
    browser.state.regions.chosen = ""


def put_drawing(browser):
    browser.map.region = CORNER


def put_scatter(browser):
    browser.scatter.region = CORNER


def put_kept(browser):
    browser.state.regions.chosen = "corner"


def put_mask(browser):
    browser.state.regions.chosen = "diagonal"


PUT = [put_nothing, put_drawing, put_scatter, put_kept, put_mask]


@pytest.mark.parametrize("after", PUT)
@pytest.mark.parametrize("before", PUT)
def test_settings_come_back_in_a_browser_whatever_it_shows(browser, before, after):
    browser.state.regions.keep("corner", {"kind": "lasso", "points": [[0, 0], [4, 0], [4, 4]]})
    browser.state.regions.keep("diagonal", np.eye(ROWS, COLUMNS, dtype=bool))
    after(browser)
    kept = browser.settings()
    shown = (browser.map.region, browser.scatter.region, browser.map.highlight)
    before(browser)
    browser.restore(kept)
    assert browser.settings() == kept
    assert (browser.map.region, browser.scatter.region, browser.map.highlight) == shown
    browser.restore(kept)
    assert browser.settings() == kept


def layer(browser, place):
    """Values of a layer as the page has them, in steps of 1/254 of their range."""
    layers = browser.map.layers
    steps = np.frombuffer(layers["maps"], np.uint8).reshape(-1, ROWS, COLUMNS)[place]
    low, high = layers["lows"][place], layers["highs"][place]
    return np.where(steps == 255, np.nan, low + (high - low) * steps / 254)


def test_value_and_pixel_follow_the_state_and_lead_it(browser):
    browser.value, browser.pixel = 2, (3, 4)
    assert (browser.state.component, browser.state.pixel) == (2, (3, 4))
    browser.state.component, browser.state.pixel = 1, (1, 0)
    assert (browser.value, browser.pixel) == (1, (1, 0))


@pytest.mark.parametrize(
    ("control", "widget_trait", "trait", "value"),
    [
        ("component", "value", "component", 2),
        ("heights", "value", "heights", "equal"),
        ("map", "pixel", "pixel", (9, 9)),
        ("map", "hovered", "hovered", (2, 2)),
        ("map", "region", "region", CORNER),
        ("scatter", "region", "scatter_region", CORNER),
    ],
)
def test_controls_and_state_move_each_other(browser, control, widget_trait, trait, value):
    widget, state = getattr(browser, control), browser.state
    before = getattr(state, trait)
    setattr(widget, widget_trait, value)
    assert getattr(state, trait) == value
    setattr(state, trait, before)
    assert getattr(widget, widget_trait) == before


def test_layers_are_the_maps_in_the_order_of_the_list(browser):
    state = browser.state
    state.component = 2
    browser.earlier.click()
    browser.earlier.click()
    assert state.order == [2, 0, 1]
    assert browser.map.layers["names"] == ["component 2", "component 0", "component 1"]
    assert browser.map.layers["colors"] == [browser.palette[k] for k in (2, 0, 1)]
    assert browser.map.shown == 0
    for place, k in enumerate(state.order):
        step = np.ptp(state.maps[k][np.isfinite(state.maps[k])]) / 254
        np.testing.assert_allclose(layer(browser, place), state.maps[k], atol=0.51 * step)


def test_the_map_leads_through_its_layers(browser):
    browser.state.order = [2, 0, 1]
    browser.map.shown = 2
    assert browser.value == 1
    browser.map.shown = None
    assert browser.state.view == "all"
    browser.component.value = 0
    assert browser.map.shown is None  # all of them stay in view
    browser.state.view = "one"
    assert browser.map.shown == 1


def test_the_rank_of_the_map_takes_nothing_from_the_model_one_step_either_way(browser):
    assert browser.map.rank - 1 >= len(browser.state.factors()["scores"])
    assert browser.where.home == browser.map.rank < browser.map.max_rank


def test_the_legend_of_the_map_hides_components(browser):
    browser.state.order = [2, 0, 1]
    browser.map.visible = [False, True, True]
    assert browser.state.hidden == [2]
    browser.state.hidden = []
    assert browser.map.visible == [True, True, True]


def test_spectra_are_drawn_in_the_colours_of_their_maps_one_of_them_in_front(browser, result):
    plot = browser.spectra
    for line, spectrum, color in zip(plot.lines, result.components, browser.palette, strict=True):
        np.testing.assert_array_equal(line.y, spectrum.astype("f4"))
        assert line.colors == [color]
    assert [line.labels for line in plot.lines] == [[f"component {k}"] for k in range(3)]
    np.testing.assert_array_equal(plot.front.y, result.components[0].astype("f4"))
    assert plot.front.colors == [browser.palette[0]]


def test_spectra_can_be_drawn_up_to_one_height(browser):
    browser.heights.value = "equal"
    heights = [line.y.max() for line in browser.spectra.lines]
    np.testing.assert_allclose(heights, 1.0)
    assert "highest" in browser.spectra.axes[1].label


def test_naming_hiding_and_turning_over_show_everywhere(browser):
    browser.value = 1
    browser.name.value = "<i>glass</i>"
    browser.flipped.value = True
    browser.hidden.value = True
    state = browser.state
    assert (state.names[1], state.signs[1], state.hidden) == ("<i>glass</i>", -1, [1])
    assert browser.component.label == "<i>glass</i> (turned over, hidden)"
    assert browser.map.visible == [True, False, True]
    np.testing.assert_allclose(layer(browser, 1), state.maps[1], atol=0.02)
    assert browser.across.options[1] == ("<i>glass</i>", 1)
    assert browser.where.names == state.names
    assert browser.where.signs == [1, -1, 1]
    assert browser.result().hidden == ["<i>glass</i>"]
    state.component = 0
    assert (browser.name.value, browser.flipped.value, browser.hidden.value) == (
        "component 0",
        False,
        False,
    )
    assert not browser.spectra.lines[1].visible


def test_raw_counts_of_a_place_are_sent_and_what_its_parts_follow_from(browser, image, result):
    """Parts, model and words are worked out by the page, from the factors of the map."""
    factors = browser.map.factors
    scales = np.frombuffer(factors["scales"], "f4")[:, None]
    scores = np.frombuffer(factors["scores"], "i2").reshape(3, -1) * scales
    spectra = np.frombuffer(factors["spectra"], "f4").reshape(3, -1)
    for pixel in [(0, 10), (13, 0)]:
        browser.state.hovered = pixel
        at = pixel[0] * COLUMNS + pixel[1]
        parts = scores[:, at, None] * spectra
        np.testing.assert_allclose(parts, browser.state.parts(), rtol=1e-3, atol=1e-3)
        units = browser.where.units
        np.testing.assert_allclose(scores[:, at] * units, browser.state.scores(), atol=1e-4)
        sent = browser.map.counts
        assert tuple(sent["pixel"]) == pixel
        np.testing.assert_array_equal(np.frombuffer(sent["values"], "f4"), image.counts[pixel])
    browser.state.hovered = None
    browser.map.region = CORNER
    sent = browser.map.counts
    assert sent["region"] == CORNER
    inside = image.counts[:3, 6:9].reshape(9, -1).mean(axis=0)
    np.testing.assert_array_equal(np.frombuffer(sent["values"], "f4"), inside.astype("f4"))
    plot = browser.place
    assert [part.colors[0] for part in plot.parts] == browser.palette
    assert (plot.counts.labels, plot.model.labels) == (["raw counts"], ["model"])
    assert browser.map.followers["model"] is plot.model
    assert browser.where.curves["parts"] == plot.parts


def test_a_region_shows_its_mean_and_what_it_holds(browser, image):
    assert browser.region_box.children == ()
    browser.map.region = CORNER
    assert browser.region_plot in browser.region_box.children
    inside = image.counts[:3, 6:9].reshape(9, -1)
    np.testing.assert_allclose(browser.region_plot.counts.y, inside.mean(axis=0))
    assert "Mean of 9 pixels" in browser.amounts.value
    assert f"{browser.state.region_amounts()[0].mean:.3g}" in browser.amounts.value
    assert browser.scatter.highlight == np.packbits(browser.state.scatter_selection()).tobytes()
    browser.regions.name.value = "corner"
    browser.regions.keep.click()
    assert browser.regions.message.value == "corner is kept."
    assert browser.result().regions["corner"].sum() == 9
    assert list(browser.result().regions) == ["corner"]
    browser.map.region = {}
    assert browser.regions.chosen.value == ""
    assert browser.region_box.children == ()
    assert browser.scatter.highlight == b""


def test_a_region_of_the_scatter_is_kept_as_its_pixels_and_stands_out_when_chosen(browser):
    browser.scatter.region = {"kind": "rectangle", "points": [[0, 48], [95, 95]]}
    selected = browser.state.selection()
    browser.regions.name.value = "bright"
    browser.regions.keep.click()
    np.testing.assert_array_equal(browser.result().regions["bright"], selected)
    assert (browser.scatter.region, browser.map.region) == ({}, {})
    assert browser.map.highlight == np.packbits(selected).tobytes()
    assert f"Mean of {selected.sum()} pixels" in browser.amounts.value
    browser.map.region = CORNER  # by hand
    assert browser.regions.chosen.value == ""
    assert (browser.map.highlight, browser.state.region) == (b"", CORNER)
    browser.regions.chosen.value = "bright"
    assert browser.map.region == {}
    np.testing.assert_array_equal(browser.state.selection(), selected)
    browser.regions.chosen.value = ""
    assert browser.state.selection() is None


def test_two_browsers_of_the_same_counts_share_their_regions(result, image):
    one, other = ComponentBrowser(result), ComponentBrowser(em.PCA(2).fit(image), image)
    one.map.region = CORNER
    one.regions.name.value = "corner"
    one.regions.keep.click()
    assert other.result().regions["corner"].sum() == 9
    assert (other.map.region, other.state.region) == (CORNER, CORNER)
    other.regions.chosen.value = ""
    assert (one.map.region, one.state.region) == ({}, {})
    other.close()
    one.regions.remove.disabled = False
    one.regions.chosen.value = "corner"
    one.regions.remove.click()
    assert one.result().regions == {}


def test_what_is_drawn_on_the_scatter_stands_out_on_the_map(browser):
    browser.map.region = CORNER
    browser.scatter.region = {"kind": "rectangle", "points": [[0, 48], [95, 95]]}
    selected = browser.state.selection()
    assert browser.map.region == {}
    assert browser.map.highlight == np.packbits(selected).tobytes()
    assert selected.any()
    browser.across.value = 2
    assert browser.state.scatter == (2, 1)
    assert browser.scatter.region == {}
    assert browser.map.highlight == b""
    assert "component 2 (to the right)" in browser.scatter.caption


def test_the_page_knows_the_axes_of_the_scatter(browser):
    browser.state.signs = [1, -1, 1]
    browser.state.scatter = (2, 1)
    axes, maps = browser.where.scatter, browser.state.maps
    for i, k in enumerate(axes["numbers"]):
        low, high = scatter_ends(maps[k])
        assert (axes["lows"][i], axes["highs"][i]) == (low, high)
    assert (axes["numbers"], axes["bins"]) == ([2, 1], 96)


def test_lines_are_marked_and_wrong_words_are_answered(browser):
    browser.elements.value = "Fe, Mg"
    assert browser.state.elements == ["Fe", "Mg"]
    assert "Fe Kα" in browser.spectra.tick_labels.text
    browser.elements.value = "Unobtainium"
    assert "element is 'Unobtainium'" in browser.message.value
    assert browser.message.kind == "error"
    assert browser.elements.value == "Fe, Mg"
    browser.state.elements = ["O"]
    assert browser.elements.value == "O"
    browser.elements.value = ""
    assert (browser.message.value, browser.message.kind) == ("", "status")
    assert not browser.spectra.ticks.visible


def test_labels_of_many_lines_stand_clear_of_each_other(browser):
    browser.state.elements = ["O", "Fe", "Mg", "Al", "Si", "Nd", "Sm", "Hf", "Lu", "U"]
    labels = browser.spectra.tick_labels
    texts, at = list(labels.text), np.column_stack([labels.x, labels.y])
    assert {"O Kα", "Fe Kα", "Mg Kα", "Si Kα"} < set(texts)
    assert len(texts) < len(browser.state.markers())
    for i, (x, y) in enumerate(at):
        others = np.delete(at, i, axis=0)
        assert not ((np.abs(others[:, 0] - x) < 0.05 * 7.9) & (others[:, 1] == y)).any()


def test_labels_on_the_right_stand_below_the_legend(browser):
    browser.state.elements = ["O", "Fe", "Mg", "Cu", "Ni"]
    plot = browser.spectra
    top, n_curves = plot.tick_labels.y.max(), len(plot.lines)
    is_right = plot.tick_labels.x > plot.axis.max() - 0.4 * np.ptp(plot.axis)
    assert is_right.any()
    # Of 200 pixels: 16 for each curve, and a frame.
    assert (plot.tick_labels.y[is_right] <= top * (1 - 16 * n_curves / 200)).all()
    assert (plot.tick_labels.y[~is_right] > 0.8 * top).all()


def test_labels_stand_below_the_legend_of_signed_curves_and_a_partner(result, image):
    browser = ComponentBrowser(em.PCA(2).fit(image), image, beside=result)
    browser.state.elements = ["O", "Cu", "Ni"]
    plot = browser.spectra
    low, high = plot.lines[0].scales["y"].min, plot.lines[0].scales["y"].max
    assert low < 0
    depth = 200 * (high - plot.tick_labels.y) / (high - low)  # pixels from the top
    is_right = plot.tick_labels.x > plot.axis.max() - 0.4 * np.ptp(plot.axis)
    assert is_right.any()
    assert (depth[is_right] >= 16 * (len(plot.lines) + 1)).all()
    assert (depth[~is_right] < 40).all()


def test_what_cannot_be_done_is_said_in_words(browser):
    browser.name.value = " "
    assert "name of component 0 is empty" in browser.message.value
    assert browser.name.value == "component 0"
    browser.files["Abundances as CSV"].press()
    assert "there is no region" in browser.message.value
    browser.regions.name.value = "new"
    browser.regions.keep.click()
    assert "no region is drawn" in browser.regions.message.value


def test_a_second_result_is_shown_beside_its_partner(result, image):
    pca = em.PCA(2).fit(image)
    browser = ComponentBrowser(result, beside=pca)
    browser.state.order = [2, 0, 1]
    state, said = browser.state, browser.where.partners
    layers = browser.beside.layers
    steps = np.frombuffer(layers["maps"], np.uint8).reshape(-1, ROWS, COLUMNS)
    for place, k in enumerate(state.order):
        partner, drawn = state.partners()[k], browser.spectra.partners[k]
        assert said[k]["isThere"] is (partner is not None)
        if partner is None:
            assert "no component left" in said[k]["words"]
            assert (steps[place] == 255).all()
            continue
        assert f"component {partner.number} of PCA" in said[k]["words"]
        assert f"{partner.angle:.1f}°" in said[k]["words"]
        low, high = layers["lows"][place], layers["highs"][place]
        shown = np.where(steps[place] == 255, np.nan, low + (high - low) * steps[place] / 254)
        expected = state.partner_maps()[k]
        np.testing.assert_allclose(shown, expected, atol=0.51 * np.nanmax(np.abs(expected)) / 127)
        np.testing.assert_array_equal(drawn.y, state.partner_spectra()[k].astype("f4"))
    assert sum(partner is None for partner in state.partners()) == 1


def test_bands_of_a_bootstrap_are_drawn_around_the_chosen_spectrum(image):
    found = em.bootstrap(em.PCA(2).fit(image), image, n_draws=4)
    browser = ComponentBrowser(found, image)
    for k, band in enumerate(browser.where.curves["bands"]):
        ends = np.array([found.components_low[k], found.components_high[k]], dtype="f4")
        np.testing.assert_array_equal(band.y, ends)
    browser.map.region = CORNER
    assert "of a pixel, drawn" in browser.amounts.value


def test_arrays_need_no_image(image, result):
    browser = ComponentBrowser((result.components, result.maps))
    assert not browser.place.counts.visible
    assert "counts" not in browser.map.followers
    browser.map.region = CORNER
    assert "Mean of 9 pixels" in browser.amounts.value
    with pytest.raises(ValueError, match="arrays came without an image"):
        browser.to_hyperspy()


def test_code_is_always_current(browser):
    browser.name.value = "matrix"
    assert "matrix" in browser.code.value
    browser.map.region = CORNER
    assert "mask_of" in browser.code.value
    image = browser.state.image
    names = {"counts": image.counts, "axis": image.axis, "mask": image.mask}
    exec(browser.to_code(), names)
    np.testing.assert_array_equal(names["maps"], browser.result().maps)


@pytest.mark.parametrize(("trait", "value"), [("value", 3), ("pixel", (14, 0))])
def test_a_value_out_of_range_is_refused_and_the_old_one_stays(browser, trait, value):
    before = getattr(browser, trait)
    with pytest.raises(tl.TraitError):
        setattr(browser, trait, value)
    assert getattr(browser, trait) == before
    assert (browser.state.component, browser.state.pixel) == (browser.value, browser.pixel)


def test_titles_are_escaped(browser):
    assert "&lt;b&gt;three&lt;/b&gt;" in browser.children[0].value


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_written(browser, tmp_path, suffix):
    browser.state.elements = ["Fe"]
    browser.name.value = "$glass_"
    path = tmp_path / f"browser{suffix}"
    browser.save(path)
    assert path.stat().st_size > 5000


def test_a_page_has_no_control_that_needs_python(browser, tmp_path):
    browser.state.hovered = (1, 1)
    browser.save(tmp_path / "browser.html")
    assert (tmp_path / "browser.html").stat().st_size > 1e5
    assert all(widget.layout.display is None for widget in browser._of_python)
    assert browser.map.tools == ["point", "rectangle", "lasso", "line"]
    assert browser.state.hovered == (1, 1)


def test_bad_paths_are_refused(browser, tmp_path):
    with pytest.raises(ValueError, match=r"ends in '\.jpg'; save the browser as one of \.html"):
        browser.save(tmp_path / "browser.jpg")
    for name in ("browser.png", "browser.html"):
        with pytest.raises(FileNotFoundError, match="folder"):
            browser.save(tmp_path / "nowhere" / name)


def test_unknown_keywords_are_refused(result):
    with pytest.raises(TypeError, match="layout"):
        ComponentBrowser(result, layout={})
