"""The order of the packages, lowest first: a module imports only from its package or from below."""

LAYERS = (
    ("errors",),
    ("_checks", "_io", "_lazy"),
    ("distributed",),
    ("losses", "penalties", "augment", "priors", "optimizers", "states"),
    ("gan",),
    ("train_step", "population", "dynamics", "inversion", "latents"),
    ("data",),
    ("metrics", "models"),
    ("training",),
    ("diagnostics",),
    ("plotting",),
    ("evaluation",),
    ("report",),
    ("runs",),
    ("export",),
    ("cli",),
)
# Packages that take long to import or are not always installed, and the only modules that may.
CONFINED = {
    "orbax": ("training.checkpoints", "training.orbax_utils", "distributed.multihost"),
    "matplotlib": ("plotting.figures",),
    "PIL": ("plotting.images", "data.image_decoding", "report.images"),
    "bokeh": ("report.page",),
    "jinja2": ("report.page",),
    "tyro": ("runs.command_line", "runs.option_groups", "cli"),
    "rich": ("runs", "cli"),  # Flax imports it, too
    "tensorflow_datasets": ("data",),
    "grain": ("data.streaming",),
    "matfree": ("dynamics.spectrum",),
    "tensorboardX": ("training.dashboards",),
    "wandb": ("training.dashboards",),
}
