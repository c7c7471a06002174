"""Settings of every test: one thread for linear algebra, repeatable Hypothesis, no windows; the command."""

import os

# The arrays are small; threads would only compete with the parallel tests. Set before NumPy loads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
# For mutants, whose failures nobody reads: as soon as one example fails.
settings.register_profile("mutation", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
settings.load_profile(os.environ.get("AIPOWER_HYPOTHESIS", "ci"))


@pytest.fixture
def aipower(capsys):
    """Run the command; gives exit code, standard output and standard error."""

    from sim.app import cli

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            cli.main([str(word) for word in words])
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call
