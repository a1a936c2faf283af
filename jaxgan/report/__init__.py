"""The report of a run: one self-contained HTML page, from the files in the run's directory.

Importing this package does not import Jinja or Bokeh; they are imported when a page is written.
"""

from jaxgan.report.comparison import write_comparison
from jaxgan.report.explorer import make_explorer
from jaxgan.report.page import write_report

__all__ = ["make_explorer", "write_comparison", "write_report"]
