"""Write ``tests/goldens.json`` anew: ``python tests/refresh_goldens.py``. A change of it is a change of results."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
GOLDENS = Path(__file__).with_name("goldens.json")
MEASURES = (
    "hhi_revenue", "hhi_power", "hhi_compute_used", "hhi_own_effective_compute", "hhi_chip_stock", "hhi_chip_sales",
    "gini_revenue", "gini_power", "cr4_revenue", "theil_compute_used", "industry_revenue", "industry_profit",
    "rental_price", "chip_price", "chips_sold_cumulative", "compute_used_total", "serving_share", "captive_share",
    "own_finance_share", "funding_raised", "training_outlay", "markup_mean", "service_price", "adoption",
    "consumer_gain", "n_firms", "n_independent_firms", "mergers", "small_firm_share_of_compute", "largest_run_flop", "energy_twh", "emissions_mtco2",
)  # fmt: skip
QUARTERS = ("2024Q4", "2027Q4", "2030Q4", "2035Q4")
REPLICATES, SEED = 8, 1


def compute(end: str = QUARTERS[-1], **parameters: float) -> dict[str, dict[str, float]]:
    """Mean over replicates of each measure in each quarter of the baseline; ``parameters`` replace its own."""
    from sim import ensemble, load_scenario

    changes = [f"world.parameters.{name}={value}" for name, value in parameters.items()]
    baseline = load_scenario("baseline", overrides=[f"horizon.end={end}", *changes])
    recording = ensemble.simulate(baseline, replicates=REPLICATES, seed=SEED)
    kept = [quarter for quarter in QUARTERS if quarter in recording.quarters]
    return {
        name: {q: float(recording.measures[name][:, recording.quarters.index(q)].mean()) for q in kept}
        for name in MEASURES
    }


def main() -> None:
    """Write the file."""
    GOLDENS.write_text(json.dumps(compute(), indent=1) + "\n", encoding="utf-8")
    print(f"{GOLDENS.name}: {len(MEASURES)} measures in {', '.join(QUARTERS)}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
