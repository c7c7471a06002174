"""Words of messages: what a value is, what is allowed and what was probably meant."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence

from sim.yaml_reader import resolve, shown

MAX_TOLD = 100
"""Problems that one error tells; a file can hold thousands."""


def nearest(word: object, known: Sequence[str]) -> str | None:
    """Find the known name that was probably meant."""
    by_form = {form(name): name for name in reversed(known)}
    wanted = form(str(word))
    if wanted in by_form:
        return by_form[wanted]
    close = difflib.get_close_matches(wanted[:100], list(by_form), n=1, cutoff=0.6)
    return by_form[close[0]] if close else None


def form(word: str) -> str:
    """What names that differ only in case and in separators have in common."""
    return re.sub(r"[\s_.-]+", "_", word.casefold())


def meant(word: object, known: Sequence[str]) -> str:
    """Suggest the nearest known name, or else the first."""
    name = nearest(word, known)
    return f"did you mean {name}?" if name else f"try {known[0]}" if known else "leave it out"


def quoted(value: object) -> str:
    """Show a value as the user wrote it, short."""
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    return "this" if isinstance(value, dict | list | tuple) else shown(repr(value))


def kind(value: object) -> str:
    """Say what a value is."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    kinds |= {dict: "a mapping", list: "a list", tuple: "a list", type(None): "empty"}
    return kinds.get(type(value), type(value).__name__)


def wrong_number(value: object, low: float | None, high: float | None, unit: str, *, whole: bool = False) -> str | None:
    """Say what is wrong with a number and what is allowed, or None."""
    unit = "" if unit in ("", "-") else f" ({unit})"
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = f"{quoted(value)} is {kind(value)}, not a number"
    elif not math.isfinite(value):
        what = f"{value} is not a finite number"
    elif (low is not None and value < low) or (high is not None and value > high):
        what = f"{quoted(value)} is out of range"
    elif whole and value != int(value):
        what = f"{quoted(value)} is not whole"
    else:
        return None
    return f"{what}; allowed: a {'whole ' if whole else ''}number{limits(low, high)}{unit}"


def limits(low: float | None, high: float | None) -> str:
    """Say between which limits a number lies, such as `` from 1 to 1,000``; empty if there are none."""
    least, most = (None if end is None else f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (low, high))
    if least is None:
        return "" if most is None else f" of at most {most}"
    if most is None:
        return f" of at least {least}"
    return f", {least}" if low == high else f" from {least} to {most}"


def as_number(value: object, low: float | None = None, high: float | None = None) -> str:
    """Suggest the number between the limits that a value was probably meant to be; empty if none.

    Examples
    --------
    >>> as_number("95%"), as_number("1_000"), as_number(2.0), as_number("many")
    ('write 0.95, without quotes or signs', 'write 1000, without quotes or signs', 'write 2', '')
    >>> as_number("1,000,000"), as_number("0,5")
    ('write 1e+06, without quotes or signs', 'write 0.5, without quotes or signs')
    >>> as_number(1e30, 1, 1_000_000), as_number("50%", 1, 10)
    ('', '')
    """
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    if isinstance(value, float) and value.is_integer():
        return f"write {int(value)}" if least <= value <= most else ""
    if not isinstance(value, str):
        return ""
    text = re.sub(r"(?<=\d)(?:[_ ](?=\d)|,(?=\d{3}(?!\d)))", "", value.strip())
    text = re.sub(r"^([-+]?\d+),(?=\d)", r"\1.", text)  # a decimal comma
    try:
        number = resolve(text.removesuffix("%").strip())
    except ValueError:
        return ""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return ""
    number = number / 100 if text.endswith("%") else number
    return f"write {number:g}, without quotes or signs" if least <= number <= most else ""
