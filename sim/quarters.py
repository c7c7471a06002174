"""Calendar quarters such as ``2024Q1``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sim.errors import InputError

QUARTERS_PER_YEAR = 4
QUARTER_PATTERN = r"^[0-9]{4}Q[1-4]$"


@dataclass(frozen=True, order=True, slots=True)
class Quarter:
    """A calendar quarter.

    Parameters
    ----------
    index : int
        Quarters since year 0: ``4 * year + number - 1``.

    Examples
    --------
    >>> str(Quarter.parse("2024Q4") + 1)
    '2025Q1'
    """

    index: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read ``YYYYQn``.

        Raises
        ------
        InputError
            When the text is not a year followed by Q1, Q2, Q3 or Q4.
        """
        if not re.fullmatch(QUARTER_PATTERN, str(text)):
            message = f"{text!r} is not a quarter; write a year and Q1 to Q4, for example 2027Q1"
            raise InputError(message)
        year, number = str(text).split("Q")
        return cls(int(year) * QUARTERS_PER_YEAR + int(number) - 1)

    @property
    def year(self) -> int:
        """The calendar year."""
        return self.index // QUARTERS_PER_YEAR

    @property
    def number(self) -> int:
        """The quarter of the year, 1 to 4."""
        return self.index % QUARTERS_PER_YEAR + 1

    def __add__(self, n_quarters: int) -> Quarter:
        return Quarter(self.index + n_quarters)

    def __sub__(self, other: Quarter) -> int:
        return self.index - other.index

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"


def quarter_range(start: Quarter, end: Quarter) -> tuple[Quarter, ...]:
    """Every quarter from ``start`` to ``end``, both included."""
    return tuple(Quarter(index) for index in range(start.index, end.index + 1))
