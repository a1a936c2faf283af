"""Writes the report of a run as a self-contained HTML page."""

import functools
import json
import os
from pathlib import Path
from typing import Any

from jaxgan._io import write_atomic
from jaxgan.report.charts import probe_charts, score_charts, training_charts
from jaxgan.report.run_files import RunFiles, read_run_files
from jaxgan.report.samples import read_nearest, read_samples
from jaxgan.report.summary import (
    describe_findings,
    list_facts,
    list_settings,
    report_title,
)
from jaxgan.report.tables import score_tables

FILE_NAME = "report.html"


def write_report(
    workdir: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    explorer: dict[str, Any] | None = None,
    facts: dict[str, str] | None = None,
    short: bool = False,
) -> Path:
    """Writes the report of a run, a self-contained HTML page, from the files in its directory.

    Needs the packages of the extra `report`.

    Args:
      workdir: Directory of the run.
      out: The file to write; a file of that name is replaced. None: report.html in the directory of
        the run.
      explorer: The return value of `make_explorer`; None for a page without a latent explorer.
      facts: Further facts for the head of the page, `{label: text}`.
      short: Whether to leave out the nearest training images.

    Returns:
      The path of the page.

    Raises:
      ConfigError: If the directory contains no run, or config.json is corrupt.
      DataError: If another file of the run is corrupt. A file of samples that is corrupt is left
        out, and the page says so.
    """
    run = read_run_files(workdir)
    samples, notes = read_samples(run)
    findings, verdict = describe_findings(run)
    training, scores, probes = training_charts(run), score_charts(run), probe_charts(run)
    path = Path(workdir) / FILE_NAME if out is None else Path(out)
    data = {
        "charts": [*training, *scores, *probes],
        "samples": samples,
        "explorer": explorer,
    }
    content = render(
        "run.html",
        data,
        title=report_title(run),
        workdir=Path(workdir).name,
        facts=list_facts(run) | (facts or {}),
        samples=samples,
        averaged=list_settings(run).get("ema_half_life") is not None,
        population=run.num_seeds,
        notes=notes,
        findings=findings,
        verdict=verdict,
        training=training,
        scores=scores,
        probes=probes,
        tables=score_tables(run),
        nearest=[] if short else read_nearest(run),
        explorer=explorer,
        settings=list_settings(run),
        record=settings_text(run),
        versions=run.config["versions"],
    )
    write_atomic(path, content.encode())
    return path


def settings_text(run: RunFiles) -> str:
    """Returns the settings, the data and the versions of a run as JSON."""
    names = ("experiment", "config", "data", "versions")
    record = {name: run.config[name] for name in names if name in run.config}
    return json.dumps(record | {"train": run.options}, indent=2, ensure_ascii=False)


def render(template: str, data: dict[str, Any], **values: Any) -> str:
    """Renders a template to HTML.

    Args:
      template: Name of the template in `templates/`.
      data: The data of the page's script: JSON-serializable, without NaN.
      **values: The variables of the template.
    """
    if data["charts"] or (data.get("samples") or {}).get("kind") in ("points", "curves"):
        values["bokeh_js"] = load_bokeh_js()
    return load_templates().get_template(template).render(data=data, **values)


@functools.cache
def load_templates() -> Any:
    """Returns the Jinja environment of the templates, which escapes values."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("jaxgan.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def load_bokeh_js() -> str:
    """Returns the source of BokehJS and of its plotting API, which draw the charts."""
    # Not bokeh.plotting, whose import takes most of a second.
    from bokeh.resources import Resources

    return "\n".join(Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw)
