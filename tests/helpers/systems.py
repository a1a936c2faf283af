"""Command lines of the systems that tests run on several devices and in several processes."""

# The slowest first, so that it is not left alone to one test worker at the end.
SYSTEMS = {
    "mnist_cnn": ("mnist_cnn", "--dataset", "digits"),
    "mnist_wgan_clip": ("mnist_wgan", "--dataset", "digits", "--preset", "clip"),
    "mnist_wgan_gradient_penalty": (
        "mnist_wgan",
        "--dataset",
        "digits",
        "--preset",
        "gradient-penalty",
    ),
    "mnist_mlp": ("mnist_mlp", "--dataset", "digits"),
    "mnist_mlp_bce": ("mnist_mlp_bce", "--dataset", "digits"),
    "parabola": ("parabola",),
}

LOSSES = ("d_loss", "g_loss")
