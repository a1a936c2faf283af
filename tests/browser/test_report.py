"""The report in a browser: every part is visible, and reacts to mouse, keyboard and touch."""

import jax
import jax.numpy as jnp
import pytest

from jaxgan import models, priors
from jaxgan.report import write_comparison, write_report
from jaxgan.report.explorer import make_explorer
from tests.helpers.networks import tiny_gan
from tests.helpers.run_dirs import NAMES, SHAPES, write_run

pytestmark = pytest.mark.browser
WIDE = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of a run of every kind, with an explorer, by kind."""
    folder = tmp_path_factory.mktemp("pages")
    return {kind: write_page(folder / kind, kind) for kind in SHAPES}


def write_page(workdir, kind):
    """Writes a page with the explorer of a GAN that is not trained."""
    num_classes = len(NAMES) if kind == "classes" else None
    shape = SHAPES[kind][1:]
    gan = tiny_gan(
        generator=models.MLPGenerator(shape=shape, widths=(8,), num_classes=num_classes),
        discriminator=models.MLPDiscriminator(widths=(8,), num_classes=num_classes),
        prior=priors.normal(4),
    )
    condition = None if num_classes is None else jnp.zeros(1, jnp.int32)
    state = gan.init(jax.random.key(0), jnp.zeros((1, *shape)), condition)
    name = {"points": "ring", "curves": "parabola"}.get(kind)
    names = None if num_classes is None else NAMES
    explorer = make_explorer(gan, state.g.variables, name, names)
    return write_report(write_run(workdir, kind), explorer=explorer)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("device", ["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_is_visible(open_page, pages, kind, device, scheme):
    options = {"wide": WIDE, "phone": PHONE}[device]
    page = open_page(pages[kind], color_scheme=scheme, **options)
    for part in page.locator("section, .plot, #explorer-map, #explorer-sample, table").all():
        if part.locator("xpath=ancestor::details").count():
            continue
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        assert box["width"] > 40
        assert box["height"] > 40
        assert box["x"] >= 0
    for plot in page.locator(".plot").all():  # BokehJS draws in shadow roots
        assert plot.locator("canvas").count() >= 1
    assert page.evaluate("document.documentElement.scrollWidth") == options["viewport"]["width"]
    assert all(image.get_attribute("alt") for image in page.locator("img").all())


def test_slider_shows_the_samples_of_every_step(open_page, pages):
    page = open_page(pages["images"], **WIDE)
    slider, image = page.locator("#samples-slider"), page.locator("#samples-image")
    step = page.locator("#samples-step")
    last = image.get_attribute("src")
    assert step.text_content() == "step 40"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert step.text_content() == "step 30"
    assert slider.get_attribute("aria-valuetext") == "step 30"
    assert image.get_attribute("alt") == "Samples at step 30"
    assert image.get_attribute("src") != last
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
    assert step.text_content() == "step 0"
    page.locator("#samples-play").click()
    expect(step).to_have_text("step 40")
    assert image.get_attribute("src") == last


def test_slider_follows_a_finger(open_page, pages):
    page = open_page(pages["images"], **PHONE)
    slider = page.locator("#samples-slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] / 2)
    assert page.locator("#samples-step").text_content() == "step 0"


@pytest.mark.parametrize("kind", ["points", "curves"])
def test_slider_moves_points_and_curves(open_page, pages, kind):
    page = open_page(pages[kind], **WIDE)
    before = page.locator("#samples-plot").screenshot()
    page.locator("#samples-slider").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    assert page.locator("#samples-step").text_content() == "step 0"
    assert page.locator("#samples-plot").screenshot() != before


@pytest.mark.parametrize("kind", SHAPES)
def test_explorer_follows_mouse_and_keyboard(open_page, pages, kind):
    page = open_page(pages[kind], **WIDE)
    pad, sample = page.locator("#explorer-pad"), page.locator("#explorer-sample")
    position = page.locator("#explorer-position")
    pad.scroll_into_view_if_needed()
    expect(position).to_have_text("x 0.0, y 0.0")
    start = read_canvas(sample)
    pad.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert position.text_content() != "x 0.0, y 0.0"
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 2, steps=5)
    page.mouse.up()
    assert position.text_content() == "x 1.0, y 1.0"
    corner = read_canvas(sample)
    assert corner != start
    page.locator("#explorer-plane").select_option("1")
    page.wait_for_timeout(200)
    assert read_canvas(sample) != corner
    assert "principal direction" in page.locator("#explorer-note").text_content()
    if kind == "classes":
        before = read_canvas(sample)
        page.locator("#explorer-class").select_option(label="two")
        page.wait_for_timeout(200)
        assert read_canvas(sample) != before


def test_explorer_follows_a_finger(open_page, pages):
    page = open_page(pages["images"], **PHONE)
    pad = page.locator("#explorer-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.touchscreen.tap(box["x"] + 3, box["y"] + box["height"] - 3)
    assert page.locator("#explorer-position").text_content() == "x -1.0, y -1.0"


def read_canvas(canvas):
    """Returns the pixels of a canvas, encoded."""
    return canvas.evaluate("canvas => canvas.toDataURL()")


def test_chart_shows_values_under_the_mouse_and_zooms(open_page, pages):
    page = open_page(pages["images"], **WIDE)
    chart = page.locator("#chart-losses")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 3)
    expect(page.locator(".bk-tooltip-row-label").get_by_text("discriminator")).to_be_visible()
    middle = box["y"] + box["height"] / 2
    before = chart.screenshot()
    page.mouse.move(box["x"] + box["width"] / 3, middle - 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle + 40, steps=4)
    page.mouse.up()
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    assert chart.screenshot() != before


def test_page_follows_a_change_of_the_color_scheme(open_page, pages):
    page = open_page(pages["images"], color_scheme="light", **WIDE)
    light = page.locator("#chart-losses").screenshot()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(500)
    assert page.locator("#chart-losses canvas").count() >= 1
    assert page.locator("#chart-losses").screenshot() != light


def test_settings_can_be_copied(open_page, pages):
    page = open_page(pages["images"], permissions=["clipboard-read", "clipboard-write"], **WIDE)
    page.locator("#copy").click()
    page.get_by_text("Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert '"experiment": "experiments.images"' in text


@pytest.mark.parametrize("options", [WIDE, PHONE])
def test_comparison_is_visible(open_page, tmp_path, options):
    paths = [write_run(tmp_path / name, learning_rate=i) for i, name in enumerate("abc")]
    page = open_page(write_comparison(paths, tmp_path / "page.html"), **options)
    for part in page.locator("section, .plot, .compare img").all():
        box = part.bounding_box()
        assert box["width"] > 40
        assert box["height"] > 40
    assert page.evaluate("document.documentElement.scrollWidth") == options["viewport"]["width"]
    assert page.get_by_text("learning_rate").is_visible()
