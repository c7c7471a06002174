"""Every error that aipower raises on purpose.

::

    AipowerError
    ├── InputError            the user's input is wrong (exit code 2)
    │   ├── ScenarioError     a scenario file or mapping
    │   ├── WorldError        a world table
    │   ├── PolicyError       a policy, or a plug-in file with policies
    │   ├── AgentError        a hand-written agent, or what is written to an agent
    │   ├── PlanError         a planner's problem, or rules that no allocation keeps
    │   └── ResultError       a result folder, or a question it cannot answer
    └── FailureError          something failed and is reported (exit code 1)
        ├── ReplicateError    one replicate cannot go on; recorded as data
        │   ├── ConvergenceError  a market did not clear
        │   ├── LedgerError       a flow without payer or payee
        │   └── QuarterError      any of these, with its quarter (sim.engine)
        ├── StoreError        a result could not be written or read back
        │   └── FolderTakenError  the folder exists already (sim.folders)
        └── WorkersError      workers or a cluster gave up, or do not compute the same numbers
            └── WorkerDiedError   a process ended before it answered (sim.processes)
                └── PoisonError   a task ended one process after another (sim.processes)

    KeyboardInterrupt
    └── Interrupted           the user stopped a run, parts of which are kept (exit code 130)

Each message says what is wrong, where, what is allowed and what to try.
"""

from __future__ import annotations


class AipowerError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class InputError(AipowerError):
    """What the user gave cannot be used."""

    exit_code = 2


class ScenarioError(InputError):
    """A scenario file or mapping is wrong.

    Parameters
    ----------
    message : str
        What is wrong and what to try.
    problems : tuple of str, optional
        One line for each problem when there are several.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class WorldError(InputError):
    """A world table is wrong."""


class PolicyError(InputError):
    """A policy cannot be found, registered or used."""


class AgentError(InputError):
    """A hand-written agent failed.

    Parameters
    ----------
    agent : str
        Who was asked.
    decision : str
        For what: the name of the method.
    quarter : Quarter
        When.
    cause : Exception
        What its code raised.
    """

    def __init__(self, agent: str, decision: str, quarter: object, cause: Exception) -> None:
        super().__init__(f"{agent}: {decision} failed in {quarter}: {type(cause).__name__}: {cause}")
        self.agent = agent
        self.decision = decision
        self.quarter = quarter
        self.cause = cause


class PlanError(InputError):
    """A planner's problem is wrong, or no allocation keeps all of its rules."""


class ResultError(InputError):
    """A result folder is not one, or cannot answer the question."""


class FailureError(AipowerError):
    """Something failed that the input does not explain."""


class ReplicateError(FailureError):
    """One replicate cannot go on; the run records it and continues with the others."""


class ConvergenceError(ReplicateError):
    """A market did not clear within the allowed number of iterations."""


class LedgerError(ReplicateError):
    """A flow of money has no payer or no payee, or a stock changed without a flow."""


class StoreError(FailureError):
    """A result could not be written or read back."""


class WorkersError(FailureError):
    """Workers or a cluster gave up, or do not compute the same numbers."""


class Interrupted(KeyboardInterrupt):
    """The user stopped a run; the message says what is kept, and how to go on."""
