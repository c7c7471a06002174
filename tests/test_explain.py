"""An explanation recomputes what the run recorded, and says no to what it cannot explain."""

import json

import pytest
from typer.testing import CliRunner

import sim
from sim import ensemble
from sim.app.cli import app
from sim.errors import FailureError, ResultError, ScenarioError
from sim.explain import explain, explain_result
from sim.scenario import Scenario, load_scenario

CHANGES = {
    "horizon": {"start": "2024Q1", "end": "2025Q4"},
    "world": {"parameters": {"entry_slots": 40}},
    "record": {"firms": "quarterly"},
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(CHANGES)


@pytest.mark.parametrize("firm", ["OpenAI", "Meta AI", "Small firm 7"])
@pytest.mark.parametrize("quarter", ["2024Q1", "2025Q3"])
def test_terms_give_the_recorded_numbers(scenario: Scenario, firm: str, quarter: str) -> None:
    recorded = ensemble.simulate(scenario, replicates=3)
    place = (2, recorded.firm_quarters.index(quarter), recorded.firm_names.index(firm))
    told = explain(scenario, firm, quarter, replicate=2)
    for name, column in {
        "AI power P": "power",
        "effective compute E_eff": "effective_compute",
        "training compute C": "compute_training",
        "serving compute": "compute_serving",
        "planned outlay": "planned_outlay",
        "mean rent": "rent_paid",
    }.items():
        assert told[name] == pytest.approx(recorded.firms[column][place], rel=1e-12), name
    revenue = [line.value for section in told.sections for line in section.lines if line.name == "revenue"]
    assert sum(revenue[:-1]) == pytest.approx(recorded.firms["revenue"][place], rel=1e-9)
    assert revenue[-1] == pytest.approx(recorded.firms["revenue"][place], rel=1e-12)


def test_levies_that_differ_within_a_corporation_are_explained(scenario: Scenario) -> None:
    """An owner then moves customers towards the firm that keeps more, so that its firms' elasticities differ."""
    levied = load_scenario({**CHANGES, "policies": [{"revenue_levy": {"rate": 0.03, "who": {"class": "lab"}}}]})
    told = [str(explain(levied, "OpenAI", "2025Q2", replicate)) for replicate in range(3)]
    assert any("what its firms keep of revenue" in text for text in told)
    assert "what its firms keep" not in str(explain(scenario, "OpenAI", "2025Q2"))


def test_cash_is_the_sum_of_its_terms(scenario: Scenario) -> None:
    section = explain(scenario, "OpenAI", "2025Q2").sections[-1]
    *terms, after = section.lines
    assert after.name == "cash after" and after.value == pytest.approx(sum(line.value for line in terms), rel=1e-12)
    assert {line.name for line in terms} >= {"revenue", "rents", "dividends"}


def test_the_text_holds_every_name_and_its_equation(scenario: Scenario) -> None:
    told = explain(scenario, "Anthropic", "2024Q3")
    text = str(told)
    assert text.startswith("Anthropic (lab) in 2024Q3, replicate 0")
    assert all(line.name in text and line.equation in text for section in told.sections for line in section.lines)
    assert "Amazon" in text and "Sector healthcare (7.2, 7.3)" in text


@pytest.mark.parametrize(
    ("firm", "quarter", "words"),
    [
        ("Open", "2024Q2", "did you mean OpenAI"),
        ("Nobody", "2024Q2", "no firm 'Nobody'"),
        ("OpenAI", "2031Q1", "outside the horizon 2024Q1 to 2025Q4"),
        ("Entrant 39", "2024Q2", "not in the market"),
    ],
)
def test_what_cannot_be_explained_is_refused(scenario: Scenario, firm: str, quarter: str, words: str) -> None:
    with pytest.raises(ResultError, match=words):
        explain(scenario, firm, quarter)


def test_a_number_that_its_terms_do_not_give_is_a_defect(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.explain._AGREEMENT", -1.0)
    with pytest.raises(FailureError, match="E_eff recomputed"):
        explain(scenario, "OpenAI", "2024Q2")


def test_a_result_explains_its_own_histories_alone(tmp_path) -> None:
    out = tmp_path / "run"
    sim.run(load_scenario(CHANGES), replicates=2, quarters=2, out=out, figures=False)
    found = CliRunner().invoke(
        app, ["explain", str(out), "--firm", "OpenAI", "--quarter", "2024Q1", "--replicate", "2"]
    )
    assert isinstance(found.exception, ResultError)
    with pytest.raises(ScenarioError, match="from 0 to 4294967295, not 4294967296"):
        explain(load_scenario(CHANGES), "OpenAI", "2024Q1", 2**32)
    with pytest.raises(ResultError, match="no replicate 2; allowed: 0 to 1"):
        explain_result(sim.load_result(out), "OpenAI", "2024Q1", 2)


def test_the_command_explains_a_scenario_and_refuses_an_unknown_firm() -> None:
    words = ["explain", "small_world", "--quarter", "2024Q2", "--replicate", "3"]
    told = CliRunner().invoke(app, [*words, "--firm", "OpenAI"])
    assert told.exit_code == 0 and "Training plan (7.4)" in told.stdout
    as_json = CliRunner().invoke(app, [*words, "--firm", "OpenAI", "--json"])
    assert json.loads(as_json.stdout)["sections"][0]["title"] == "AI power (7.1)"
    refused = CliRunner().invoke(app, [*words, "--firm", "OpenA"])
    assert isinstance(refused.exception, ResultError)
