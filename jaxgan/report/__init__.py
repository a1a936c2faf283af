"""The report of a run: a self-contained HTML page, made from the files in the run's directory.

Importing this package does not import Jinja or Bokeh. They are imported when a page is written, and
belong to the extra `report`.
"""

from jaxgan.report.comparison import write_comparison
from jaxgan.report.explorer import make_explorer
from jaxgan.report.page import write_report

__all__ = ["make_explorer", "write_comparison", "write_report"]
