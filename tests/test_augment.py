import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import augment, penalties
from jaxgan.augment import AUGMENTATIONS, diff_augment
from jaxgan.errors import ConfigError, ShapeError
from tests.helpers.networks import Discriminator, assert_same_bits, real_batch, small_gan

PAPER = ("color", "translation", "cutout")


def make_key(seed=0):
    return jax.random.key(seed)


def draw_images(num, height=8, width=12, channels=3, seed=0):
    """Random images without zeros, because the tests recognize filled-in pixels by the value 0."""
    shape = (num, height, width, channels)
    return jnp.asarray(np.random.default_rng(seed).uniform(0.1, 1, shape), jnp.float32)


def assert_uniform(values, low, high):
    """Asserts that values have the range, mean and variance of a uniform distribution."""
    width, num = high - low, len(values)
    assert low - 1e-4 < np.min(values) < low + 0.01 * width
    assert high - 0.01 * width < np.max(values) < high + 1e-4
    # Five standard errors; the fourth central moment is width⁴ / 80.
    assert abs(np.mean(values) - (low + high) / 2) < 5 * width / np.sqrt(12 * num)
    assert abs(np.var(values) - width**2 / 12) < 5 * width**2 * np.sqrt(1 / 80 - 1 / 144) / num**0.5


def test_color_draws_brightness_contrast_and_saturation_of_each_image():
    images = np.asarray(draw_images(2_000))
    found = np.asarray(augment.color(jnp.asarray(images), make_key()), np.float64)
    brightness = found.mean((1, 2, 3)) - images.mean((1, 2, 3))
    gray, found_gray = images.mean(-1), found.mean(-1)
    centered = gray - gray.mean((1, 2), keepdims=True)
    found_centered = found_gray - found_gray.mean((1, 2), keepdims=True)
    contrast = (found_centered * centered).sum((1, 2)) / (centered**2).sum((1, 2))
    deviation, found_deviation = images - gray[..., None], found - found_gray[..., None]
    product = (found_deviation * deviation).sum((1, 2, 3)) / (deviation**2).sum((1, 2, 3))
    saturation = product / contrast
    assert_uniform(brightness, -0.5, 0.5)
    assert_uniform(contrast, 0.5, 1.5)
    assert_uniform(saturation, 0, 2)
    factors = np.corrcoef([brightness, contrast, saturation])
    np.testing.assert_allclose(factors, np.eye(3), atol=5 / 2_000**0.5)
    # Nothing else is changed: the three numbers of each image explain the result.
    expected = (
        (images.mean((1, 2, 3)) + brightness)[:, None, None, None]
        + contrast[:, None, None, None] * centered[..., None]
        + product[:, None, None, None] * deviation
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def shift_by_loops(image, dy, dx):
    result = np.zeros_like(image)
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y - dy < height and 0 <= x - dx < width:
                result[y, x] = image[y - dy, x - dx]
    return result


def test_translation_shifts_up_to_an_eighth_and_fills_with_zeros():
    """Sides of 8 and 12 pixels are shifted by up to 1 and by up to 2 (12/8 is rounded up)."""
    image = np.asarray(draw_images(1))[0]
    num = 1_500
    found = np.asarray(augment.translation(jnp.tile(image, (num, 1, 1, 1)), make_key()))
    counts = []
    for dy in (-1, 0, 1):
        for dx in (-2, -1, 0, 1, 2):
            counts.append(int(np.sum(np.all(found == shift_by_loops(image, dy, dx), (1, 2, 3)))))
    assert sum(counts) == num
    expected = num / len(counts)
    assert np.sum((np.array(counts) - expected) ** 2 / expected) < 36.1  # 99.9 % of χ², 14 degrees


@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 10)])
def test_cutout_removes_a_rectangle_whose_center_is_a_pixel_of_the_image(height, width):
    """Each rectangle has half of each side, rounded half up; all positions are as likely."""
    image, num = np.asarray(draw_images(1, height, width))[0], 2_000
    found = np.asarray(augment.cutout(jnp.tile(image, (num, 1, 1, 1)), make_key()))
    patterns = {}
    sides = []
    for size in (height, width):
        length = int(size / 2 + 0.5)
        num_centers = size if length % 2 else size + 1
        sides.append([(c - length // 2, c - length // 2 + length) for c in range(num_centers)])
    for top, bottom in sides[0]:
        for left, right in sides[1]:
            expected = image.copy()
            expected[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
            key = expected.tobytes()
            patterns[key] = patterns.get(key, 0) + 1
    counts = dict.fromkeys(patterns, 0)
    for each in found:
        counts[each.tobytes()] += 1  # KeyError: another shape was removed
    probabilities = np.array(list(patterns.values())) / sum(patterns.values())
    deviations = np.array(list(counts.values())) - num * probabilities
    chi_squared = np.sum(deviations**2 / (num * probabilities))
    degrees = len(patterns) - 1
    assert chi_squared < degrees + 5 * np.sqrt(2 * degrees)


def test_flip_mirrors_half_of_the_images():
    images = draw_images(1_000)
    found = np.asarray(augment.flip(images, make_key()))
    mirrored = np.all(found == np.asarray(images)[:, :, ::-1], (1, 2, 3))
    kept = np.all(found == np.asarray(images), (1, 2, 3))
    assert np.all(mirrored ^ kept)
    assert abs(mirrored.sum() - 500) < 5 * np.sqrt(250)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_treat_each_image_on_its_own(name):
    images = draw_images(6)
    found = AUGMENTATIONS[name](images, make_key())
    changed = AUGMENTATIONS[name](images.at[2].set(0.5), make_key())
    others = np.array([0, 1, 3, 4, 5])
    np.testing.assert_array_equal(found[others], changed[others])
    assert found.shape == images.shape
    assert found.dtype == images.dtype


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_flow_through_augmentations(name):
    """For one key, an augmentation is affine in the images; its VJP is the transposed matrix."""
    images, tangent, cotangent = (draw_images(4, seed=seed) for seed in range(3))

    def apply(x):
        return AUGMENTATIONS[name](x, make_key(3))

    value, vjp_fn = jax.vjp(apply, images)
    linear = apply(images + tangent) - value
    np.testing.assert_allclose(
        jnp.vdot(linear, cotangent), jnp.vdot(tangent, vjp_fn(cotangent)[0]), rtol=1e-4
    )
    assert float(jnp.max(jnp.abs(vjp_fn(cotangent)[0]))) > 0.1


def test_augmentations_under_jit_and_vmap_equal_single_calls():
    apply = diff_augment((*PAPER, "flip"))
    images = jnp.stack([draw_images(5, seed=seed) for seed in range(3)])
    keys = jax.random.split(make_key(), 3)
    found = jax.jit(jax.vmap(apply))(images, jax.random.clone(keys))
    for batch, key, each in zip(images, keys, found, strict=True):
        np.testing.assert_allclose(each, apply(batch, key), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_augmentations_keep_the_dtype(dtype):
    found = diff_augment((*PAPER, "flip"))(draw_images(2).astype(dtype), make_key())
    assert found.dtype == dtype


def test_diff_augment_applies_what_is_named_in_order():
    images = draw_images(3)
    keys = jax.random.split(make_key(), 2)
    expected = augment.cutout(augment.color(images, keys[0]), keys[1])
    assert_same_bits(diff_augment(("color", "cutout"))(images, make_key()), expected)
    assert diff_augment(()) is None


def test_diff_augment_refuses_unknown_names_and_arrays_that_are_no_images():
    with pytest.raises(ConfigError, match="augmentation 'zoom' is unknown, expected one of color"):
        diff_augment(("color", "zoom"))
    for name in AUGMENTATIONS:
        with pytest.raises(ShapeError, match=r"have shape \[5, 2\], expected images \[B, H, W, C"):
            AUGMENTATIONS[name](jnp.ones((5, 2)), make_key())


def negate(images, key):
    del key
    return -images


def keep(images, key):
    del key
    return images


class NegatingDiscriminator(Discriminator):
    """Sees the negative of each image."""

    def __call__(self, x, condition=None, *, train):
        return super().__call__(-x, condition, train=train)


def step_once(gan, **options):
    state = gan.init(make_key(), REAL)
    return gan.step(state, REAL, make_key(1), **options)


REAL = real_batch()
R1 = penalties.r1(2.0)


@pytest.mark.stress
def test_gan_shows_the_discriminator_only_augmented_images():
    """Negating all images has the effect of a discriminator that negates its input."""
    found = step_once(small_gan(augment=negate, penalty=R1, ema_half_life=100.0))
    gan = small_gan(discriminator=NegatingDiscriminator(), penalty=R1, ema_half_life=100.0)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6),
        *(found, step_once(gan)),
    )


def test_gan_without_augmentation_has_the_bits_of_the_identity():
    assert_same_bits(step_once(small_gan(augment=keep)), step_once(small_gan()))


@pytest.mark.stress
def test_penalty_sees_augmented_batches():
    """An augmentation that hides all images leaves the penalty with images of zeros."""

    def mean_squares(disc_fn, real, fake, key):
        return jnp.mean(real**2) + jnp.mean(fake**2)

    _, shown = step_once(small_gan(penalty=mean_squares))
    hide = small_gan(augment=lambda images, key: jnp.zeros_like(images), penalty=mean_squares)
    _, hidden = step_once(hide)
    assert shown["d"]["penalty"] > 0
    assert hidden["d"]["penalty"] == 0


def test_gan_draws_new_random_numbers_for_each_batch_and_update():
    keys = []

    def record(images, key):
        bits = jax.random.key_data(jax.random.clone(key))
        jax.debug.callback(lambda bits: keys.append(np.asarray(bits).tobytes()), bits)
        return images

    jax.block_until_ready(step_once(small_gan(augment=record)))
    jax.effects_barrier()
    assert len(keys) == 4  # real and fake, in both updates
    assert len(set(keys)) == 4


@pytest.mark.stress
def test_gan_propagates_gradients_through_the_augmentation():
    """An augmentation that hides all images leaves the generator without a gradient."""
    _, hidden = step_once(small_gan(augment=lambda images, key: jnp.zeros_like(images)))
    _, shown = step_once(small_gan(augment=diff_augment(PAPER)))
    assert hidden["g"]["grad_norm"] == 0
    assert shown["g"]["grad_norm"] > 0
    assert shown["d"]["finite"]
    assert shown["g"]["finite"]


def test_gan_refuses_augmentations_of_another_form():
    def translate(images):
        return images

    with pytest.raises(ConfigError, match="augment is translate"):
        small_gan(augment=translate)
    message = r"augment returns \[8, 3, 6, 1\] for samples \[8, 6, 6, 1"
    with pytest.raises(ShapeError, match=message):
        step_once(small_gan(augment=lambda images, key: images[:, :3]))
