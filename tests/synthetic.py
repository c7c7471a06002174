"""A made-up recording of a plausible world, for tests of results that need no engine."""

from __future__ import annotations

import numpy as np

from sim.observe import MEASURES, Events, Failure, Recording
from sim.quarters import Quarter

FIRMS = (
    "OpenAI", "Google DeepMind", "Meta AI", "Anthropic", "xAI", "Microsoft AI", "Amazon AGI",
    "Mistral", "Cohere", "Alibaba", "ByteDance", "Baidu", "DeepSeek", "Zhipu",
)  # fmt: skip
GIANTS = {"Google DeepMind", "Meta AI", "Microsoft AI", "Amazon AGI", "Alibaba", "ByteDance"}
USE = (103, 130, 80, 37, 8, 20, 15, 3, 3, 20, 30, 15, 8, 4)
REVENUE = (1.8, 0.4, 0.05, 0.087, 0.005, 0.2, 0.1, 0.01, 0.02, 0.1, 0.05, 0.1, 0.005, 0.01)
OWNERS = ("Google", "Microsoft", "Amazon", "Meta", "Oracle", "CoreWeave and neoclouds", "xAI",
          "China", "Others")  # fmt: skip
OWNED = (0.207, 0.195, 0.074, 0.102, 0.035, 0.028, 0.009, 0.113, 0.237)
MAKERS = ("Nvidia", "Google TPU", "AMD", "Amazon Trainium", "Huawei and others")
SOLD = (0.657, 0.145, 0.105, 0.058, 0.035)
FLOWS = {
    "sales|households|firms": 1.0, "compute_rent|firms|owners": 0.9, "chips|owners|makers": 1.4,
    "captive_compute|households|owners": 2.0, "staff|firms|households": 0.3,
    "operating_cost|firms|households": 0.2, "site_cost|owners|households": 0.5,
    "energy|owners|households": 0.2, "maker_cost|makers|households": 0.4,
    "maker_dividends|makers|households": 0.9, "equity|households|firms": 0.8,
    "parent_funding|owners|firms": 0.5, "dividends|firms|households": 0.05,
    "tax|firms|government": 0.0,
}  # fmt: skip


def shares(x):
    total = x.sum(axis=-1, keepdims=True)
    return np.divide(x, total, out=np.zeros_like(x), where=total > 0)


def hhi(x):
    return (shares(x) ** 2).sum(axis=-1) * 1e4


def gini(x, active):
    """Gini among active actors, one replicate and quarter at a time."""
    out = np.full(x.shape[:-1], np.nan)
    for position in np.ndindex(*out.shape):
        v = np.sort(x[position][np.broadcast_to(active, x.shape)[position]])
        n = len(v)
        out[position] = ((2 * np.arange(1, n + 1) - n - 1) * v).sum() / (n * v.sum())
    return out


def recording(n_replicates=5, start="2024Q1", n_quarters=48, n_small=12, n_entrants=6, seed=7):
    """Make a recording whose measures agree with its tables."""
    rng = np.random.default_rng(seed)
    first = Quarter.parse(start)
    quarters = tuple(str(first + step) for step in range(n_quarters))
    names = FIRMS + tuple(f"Small firm {k + 1}" for k in range(n_small))
    names += tuple(f"Entrant {k + 1}" for k in range(n_entrants))
    n_labs, n_firms = len(FIRMS), len(names)
    classes = tuple("giant" if n in GIANTS else "lab" if n in FIRMS else "sme" for n in names)
    shape = (n_replicates, n_quarters, n_firms)
    start_use = np.concatenate([np.array(USE) / 1e3, np.full(n_firms - n_labs, 5e-4)])
    start_revenue = np.concatenate([np.array(REVENUE), np.full(n_firms - n_labs, 0.01)]) / 4
    luck = rng.normal(0, 0.06, shape).cumsum(axis=1)
    time = np.arange(n_quarters)[:, None]
    growth = np.exp(6 * (1 - np.exp(-time / 20)))
    use = start_use * growth * np.exp(luck)
    revenue = start_revenue * growth**0.9 * np.exp(0.7 * luck + rng.normal(0, 0.1, shape))
    entry = np.where(np.arange(n_firms) < n_labs + n_small, 0, 6 + 3 * np.arange(n_firms) % 17)
    active = np.broadcast_to(time >= entry, shape).copy()
    if n_quarters > 30:
        active[:, 30:, n_labs] = False
    use, revenue = use * active, revenue * active
    effective = 10 * use * np.exp(0.05 * time)
    power = (effective / effective[:1, :1, :1]) ** 0.63
    owned = np.array(OWNED) * 1.6 * np.exp(3 * (1 - np.exp(-time / 15)))
    owned = owned * np.exp(rng.normal(0, 0.02, (n_replicates, n_quarters, 9)).cumsum(axis=1))
    sold = np.array(SOLD) * owned.sum(axis=-1, keepdims=True) * 0.15
    sold = sold * np.exp(rng.normal(0, 0.02, sold.shape).cumsum(axis=1))

    values = {"revenue": revenue, "power": power, "compute_used": use}
    every = np.ones(1, dtype=bool)
    layers = {name: (x, active) for name, x in values.items()}
    layers |= {"compute_owned": (owned, every), "chip_sales": (sold, every)}
    measures = {}
    for name, (x, mask) in layers.items():
        measures[f"hhi_{name}"], measures[f"gini_{name}"] = hhi(x), gini(x, mask)
    for name, x in values.items():
        measures[f"leader_{name}"] = x.argmax(axis=-1).astype(float)
    small = np.array(classes) == "sme"
    flat = np.ones((n_replicates, n_quarters))
    measures |= {
        "total_power": power.sum(axis=-1),
        "frontier_power": power.max(axis=-1),
        "largest_run_flop": 0.15 * use.max(axis=-1) * 2.963e27,
        "rental_price": 2.85 * flat * np.exp(-0.01 * time[:, 0]),
        "energy_twh": owned.sum(axis=-1) * 3,
        "small_firm_share_of_compute": use[..., small].sum(axis=-1) / use.sum(axis=-1),
        "small_firm_survival": active[..., n_labs : n_labs + n_small].mean(axis=-1),
        "own_finance_share": 0.04 + 0.5 * time[:, 0] / 48 * flat,
        "flywheel": flat,
        "n_firms": active.sum(axis=-1).astype(float),
    }
    measures = {name: np.ascontiguousarray(measures[name]) for name in MEASURES if name in measures}
    turnover = revenue.sum(axis=-1) * 3
    flows = {key: factor * turnover for key, factor in FLOWS.items()}

    kept = [k for k, q in enumerate(quarters) if q.endswith("Q4") or k in (0, n_quarters - 1)]
    labels = tuple(quarters[k] for k in kept)
    firms = {
        "active": active,
        "class_code": np.broadcast_to([{"giant": 0, "lab": 1, "sme": 2}[c] for c in classes], shape),
        "generation": np.zeros(shape, dtype=np.int64),
        "group_slot": np.broadcast_to(np.arange(n_firms), shape),
        "revenue": revenue,
        "profit": 0.1 * revenue,
        "compute_used": use,
        "power": power,
        "own_effective_compute": effective * 0.8,
        "effective_compute": effective,
        "revenue_share": shares(revenue),
        "is_open": np.isin(names, ["Meta AI", "Mistral", "DeepSeek"]) & active,
    }
    weights = rng.gamma(0.3, size=(n_firms, len(OWNERS)))
    weights /= weights.sum(axis=-1, keepdims=True)
    links = rng.gamma(0.7, size=(len(OWNERS), len(MAKERS))) * np.array(SOLD)
    links /= links.sum(axis=0)
    networks = {
        quarters[k]: {
            "firm_owner": use[:, k, :, None] * weights,
            "owner_maker": 4 * sold[:, k, None, :] * links,
        }
        for k in {min(3, n_quarters - 1), n_quarters - 1}
    }
    return Recording(
        replicates=np.arange(n_replicates),
        quarters=quarters,
        measures=measures,
        flows=flows,
        firms={name: np.ascontiguousarray(x[:, kept]) for name, x in firms.items()},
        firm_quarters=labels,
        owners={"capacity": np.ascontiguousarray(owned[:, kept])},
        owner_quarters=labels,
        makers={"shipments": np.ascontiguousarray(sold[:, kept])},
        firm_names=names,
        owner_names=OWNERS,
        maker_names=MAKERS,
        networks=networks,
        failures=(Failure(n_replicates, quarters[-1], "a market did not clear"),),
        events=Events(
            replicate=tuple(range(n_replicates)),
            quarter=(quarters[-1],) * n_replicates,
            event=("entry",) * n_replicates,
            actor=(names[-1],) * n_replicates,
            detail=("generation 0 of the slot",) * n_replicates,
        ),
    )
