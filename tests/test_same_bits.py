"""The same bits wherever replicates are computed: a pairwise covering design, and the full product (long)."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FACTORS = {
    "block": (1, 2, 7, 64, 1000),
    "workers": (1, 2),
    "method": ("spawn", "forkserver"),
    "hash_seed": ("0", "4711"),
    "threads": ("1", "4"),
    "executor": ("here", "processes", "dask"),
}
REPLICATES = 9

RUN = """
import contextlib, hashlib, json, sys
from sim import ensemble
from sim.cluster import dask_executor
from sim.processes import Processes
from sim.scenario import load_scenario
from tests.test_same_bits import REPLICATES, bits

def executor(kind, workers, method, address):
    if kind == "processes":
        return Processes(workers, method)
    return dask_executor(address) if kind == "dask" else contextlib.nullcontext()

if __name__ == "__main__":
    for block, workers, method, kind, address in json.loads(sys.argv[1]):
        with executor(kind, workers, method, address) as place:
            scenario = load_scenario("symmetric").replace(quarters=3)
            recording = ensemble.simulate(scenario, replicates=REPLICATES, executor=place, block_size=block)
        print(bits(recording), flush=True)
"""


def bits(recording):
    """SHA-256 of every number of a recording, and of its events."""
    import hashlib

    import numpy as np

    digest = hashlib.sha256()
    for table in ("measures", "flows", "firms", "owners", "makers"):
        for name, values in sorted(getattr(recording, table).items()):
            digest.update(f"{table} {name} {values.shape}".encode() + np.ascontiguousarray(values).tobytes())
    for quarter, layers in sorted(recording.networks.items()):
        for name, values in sorted(layers.items()):
            digest.update(f"{quarter} {name}".encode() + np.ascontiguousarray(values).tobytes())
    digest.update(repr((recording.replicates.tolist(), recording.events, recording.failures)).encode())
    return digest.hexdigest()


def pairwise(factors):
    """Few rows in which every two values of every two factors meet, found greedily."""
    names = list(factors)
    rows = [dict(zip(names, row, strict=True)) for row in itertools.product(*factors.values())]

    def pairs(row):
        return {(a, row[a], b, row[b]) for a, b in itertools.combinations(names, 2)}

    missing = set().union(*map(pairs, rows))
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(pairs(row) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


def hashes(rows, address):
    """Bits of each row; rows that share what a process begins with share one."""
    found = {}
    for start, group in itertools.groupby(
        sorted(rows, key=lambda row: (row["hash_seed"], row["threads"])), lambda row: (row["hash_seed"], row["threads"])
    ):
        group = list(group)
        asked = [[row["block"], row["workers"], row["method"], row["executor"], address] for row in group]
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        settings = {"PYTHONHASHSEED": start[0], **dict.fromkeys(names, start[1])}
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(asked)],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        found.update(zip([tuple(row.items()) for row in group], done.stdout.split(), strict=True))
    return found


@pytest.fixture(scope="module")
def cluster():
    """Address of a scheduler on loopback with two workers."""
    from tests.dask_cluster import local_cluster

    with local_cluster() as made:
        yield made.address


def test_the_design_meets_every_pair_in_at_most_16_runs():
    rows = pairwise(FACTORS)
    assert len(rows) <= 16
    for (a, first), (b, second) in itertools.combinations(FACTORS.items(), 2):
        assert {(row[a], row[b]) for row in rows} == set(itertools.product(first, second))


def test_bits_are_the_same_in_every_run_of_the_design(cluster):
    found = hashes(pairwise(FACTORS), cluster)
    assert len(found) <= 16 and len(set(found.values())) == 1, found


def test_blocks_of_64_and_1000_have_the_bits_of_small_ones():
    """With more than 64 replicates; the runs of the design have fewer, for which these are one block."""
    from sim import ensemble
    from sim.scenario import load_scenario

    scenario = load_scenario({"world": {"parameters": {"entry_slots": 24}}}).replace(quarters=2)
    found = {size: bits(ensemble.simulate(scenario, replicates=70, block_size=size)) for size in (7, 64, 1000)}
    assert len(set(found.values())) == 1, found


def test_another_seed_has_other_bits():
    from sim import ensemble
    from sim.scenario import load_scenario

    scenario = load_scenario("symmetric").replace(quarters=3)
    one, other = (ensemble.simulate(scenario, replicates=REPLICATES, seed=seed) for seed in (1, 2))
    assert bits(one) == bits(ensemble.simulate(scenario, replicates=REPLICATES, seed=1)) != bits(other)


@pytest.mark.long
def test_bits_are_the_same_in_the_full_product(cluster):
    rows = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*FACTORS.values())]
    assert len(set(hashes(rows, cluster).values())) == 1
