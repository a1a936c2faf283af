"""Tables and the format of means."""

import numpy as np

from jaxgan.evaluation import format_mean_sem, markdown_table


def test_format_mean_sem_gives_the_standard_error_of_several_values():
    assert format_mean_sem(np.array([1.0, 2.0, 3.0]), 2) == "2.00 ± 0.58"
    assert format_mean_sem(np.array([1.25]), 1) == "1.2"


def test_markdown_table_has_a_header_and_rows():
    table = markdown_table(["a", "b"], [["1", "2"], ["3", "4"]])
    assert table == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"
