"""Calls functions with arbitrary input, and tells errors of jaxgan from results."""

from jaxgan.errors import JaxganError


def call_or_refuse(function, *arguments):
    """Returns `(result, "")`, or `(None, message)` if the function raises a `JaxganError`.

    Any other exception is a bug, and passes through.
    """
    try:
        return function(*arguments), ""
    except JaxganError as error:
        return None, str(error)
