"""One history that is replayed when a slider moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sim.app.dashboard import figures
from sim.app.dashboard.offer import Offer
from sim.errors import AipowerError
from sim.mesa_model import PowerModel, measured

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Session:
    """What one reader of the page has chosen, and what was shown before the last change.

    Attributes
    ----------
    offer : Offer
    values : dict of str to float
        Where the sliders were when the world was made.
    paths : pandas.DataFrame or None
        What the model before the last change had collected.
    measures : dict of str to float
        Its measures in the quarter of the change.
    """

    offer: Offer
    values: dict[str, float]
    paths: pd.DataFrame | None = None
    measures: dict[str, float] = field(default_factory=dict)


class LiveModel(PowerModel):
    """One history of the world that the sliders make.

    Parameters
    ----------
    session : Session
        Whose sliders.
    replicate : int
        Which history.
    """

    model_reporters: ClassVar[dict[str, Any]] = {
        "quarter": "quarter",
        **{name: measured(name) for name in (*figures.PATHS, *figures.GINIS)},
    }

    def __init__(self, session: Session, replicate: int = 0) -> None:
        super().__init__(session.offer.scenario(session.values), replicate=replicate)
        self.session = session
        session.paths, session.measures = None, {}

    def replayed(self, values: dict[str, float]) -> LiveModel:
        """The same history up to the same quarter, in the world of other values."""
        session = self.session
        before = session.values  # noqa: PD011 - of sliders
        session.values = values
        try:
            made = LiveModel(session, self.replicate)
            while made.period < self.period and made.running:
                made.step()
        except AipowerError:
            session.values = before
            raise
        if self.period:
            session.paths, session.measures = self.datacollector.get_model_vars_dataframe(), dict(self.measures)
        return made
