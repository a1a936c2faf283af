"""Calls functions with arbitrary input and classifies the outcome."""

from jaxgan.errors import JaxganError


def outcome(function, *arguments):
    """What it gives, or None where it is refused by an error of ours; and what that says."""
    try:
        return function(*arguments), ""
    except JaxganError as error:
        return None, str(error)
