"""A result of a model that was changed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from sim.errors import ResultError
from sim.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from sim.store import Blocks


class OwnResult(Result):
    """A result that its scenario does not give, so that no folder may say that it does."""

    reason: str

    def _refuse(self) -> Never:
        message = (
            f"this is not what its scenario gives, because {self.reason}; a folder or report would say that it is. "
            "Keep the tables instead, for example result.measures.to_csv('measures.csv')"
        )
        raise ResultError(message)

    def save(self, folder: str | Path, *, figures: bool = True, blocks: Blocks | None = None) -> Path:  # noqa: ARG002  as Result's
        """Refuse.

        Raises
        ------
        ResultError
            Always.
        """
        self._refuse()

    def report(self, folder: str | Path, *, force: bool = False, progress: bool = False) -> Path:  # noqa: ARG002  as Result's
        """Refuse.

        Raises
        ------
        ResultError
            Always.
        """
        self._refuse()
