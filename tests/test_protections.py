"""Every protection against a fault is held by a test: without it, in a copy of the code, that test fails."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
ROOT = Path(__file__).parent.parent


class Protection(NamedTuple):
    """What the code says in a file, what it says without the protection, and the test that then fails."""

    file: str
    code: str
    without: str
    test: str


PROTECTIONS = {
    "parent killed: finished blocks are used again": Protection(
        "parts.py",
        "if not self.is_resumed:",
        "if True:",
        "test_faults.py::test_a_killed_command_goes_on",
    ),
    "parent killed: drafts that it left are removed": Protection(
        "folders.py",
        "        _remove_drafts(folder)\n",
        "",
        "test_parts.py::test_drafts_of_killed_processes_are_removed_and_those_of_living_ones_are_not",
    ),
    "parent killed: its workers end": Protection(
        "processes.py",
        "        os._exit(1)\n",
        "        pass\n",
        "test_processes.py::test_workers_end_at_once_when_their_parent_is_killed_or_says_so[time.sleep(600)]",
    ),
    "worker killed: its block is tried again": Protection(
        "pool.py",
        "TRIES = 3\n",
        "TRIES = 1\n",
        "test_processes.py::test_a_killed_worker_is_reported_and_its_task_done_by_a_new_one",
    ),
    "worker killed: a block that kills every worker is given up": Protection(
        "pool.py",
        "if died[place] < TRIES:",
        "if died[place] < 2 * TRIES:",
        "test_processes.py::test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_done",
    ),
    "worker killed: half an answer means that it died": Protection(
        "processes.py",
        "except (EOFError, OSError) as error:  # also in the middle of an answer",
        "except ValueError as error:",
        "test_processes.py::test_half_an_answer_is_not_waited_for",
    ),
    "worker killed: lost replicates end the command with 1": Protection(
        "app/running.py",
        "        raise typer.Exit(FailureError.exit_code)\n",
        "",
        "test_parts.py::test_blocks_that_no_worker_survives_are_failures_and_tried_again_by_resume",
    ),
    "SIGINT: the user is told how to go on": Protection(
        "parts.py",
        "            raise Interrupted(message) from None\n",
        "            raise\n",
        "test_faults.py::test_ctrl_c_ends_with_130_and_says_how_to_go_on",
    ),
    "disk full: a block is written whole or not at all": Protection(
        "parts.py",
        "            draft.write_bytes(content)\n            draft.replace(path)\n",
        "            path.write_bytes(content)\n",
        "test_faults.py::test_a_disk_that_is_full_at_any_write_is_told_and_nothing_is_half_written",
    ),
    "disk full: a result is there whole or not at all": Protection(
        "folders.py",
        "                    yield draft\n                finally:\n                    shutil.rmtree(draft, ignore_errors=True)\n",
        "                    yield draft\n                finally:\n                    pass\n",
        "test_store.py::test_a_full_disk_while_flushing_leaves_nothing",
    ),
    "read-only folder: told before anything is computed": Protection(
        "folders.py",
        "        check_writable(choice.folder)\n",
        "",
        "test_parts.py::test_a_place_that_cannot_be_written_is_told_before_anything_is_computed",
    ),
    "vanished folder: it is not made again with half of the blocks": Protection(
        "parts.py",
        "            if self.folder.is_dir():  # a folder that someone removed is not made again: what was in it is gone\n"
        "                path.parent.mkdir(exist_ok=True)\n",
        "            path.parent.mkdir(parents=True, exist_ok=True)\n",
        "test_parts.py::test_a_folder_that_vanishes_is_told_and_nothing_is_written_elsewhere",
    ),
    "damage: a block has a checksum": Protection(
        "parts.py",
        "if hashlib.sha256(whole[:-_DIGEST_BYTES]).digest() != whole[-_DIGEST_BYTES:]:",
        "if len(whole) < _DIGEST_BYTES:",
        "test_parts.py::test_every_truncation_and_bit_flip_is_detected",
    ),
    "damage: a file of a result has a checksum": Protection(
        "manifests.py",
        'if name in present and _checksum(folder / name) != row.get("sha256")',
        'if name in present and (folder / name).stat().st_size != row.get("bytes")',
        "test_store.py::test_truncations_and_bit_flips_are_detected_and_named[40-bit flip]",
    ),
    "damage: a table is checked before it is read": Protection(
        "table_files.py",
        'if not path.is_file() or sha256(path) != read_manifest(folder)["files"][path.name]["sha256"]:',
        "if not path.is_file():",
        "test_store.py::test_a_damaged_table_is_refused_when_it_is_asked_for",
    ),
    "two writers: a folder is held by one of them": Protection(
        "folders.py",
        "            flock(handle, LOCK_EX | LOCK_NB)\n",
        "",
        "test_parts.py::test_a_run_that_another_process_writes_is_not_gone_on_with_and_a_new_one_goes_beside",
    ),
    "two writers: a result that appears meanwhile is not overwritten": Protection(
        "folders.py",
        "    try:\n        if folder.is_dir():\n            folder.rmdir()\n        draft.rename(folder)\n",
        "    try:\n        shutil.rmtree(folder, ignore_errors=True)\n        draft.rename(folder)\n",
        "test_store.py::test_a_folder_that_appears_while_writing_is_not_overwritten",
    ),
    "cluster: a block that kills every worker is given up": Protection(
        "cluster.py",
        'if type(error).__name__ == "KilledWorker":',
        "if False:",
        "test_faults.py::test_a_block_that_kills_one_dask_worker_after_another_is_given_up_and_the_others_are_done",
    ),
    "cluster: one that has lost its last worker is not waited for": Protection(
        "pool.py",
        '                seats = getattr(executor, "seats", SEATS)  # raises when nobody is left who could answer\n'
        "                while waiting and len(running) < seats:\n",
        '                while waiting and len(running) < getattr(executor, "seats", SEATS):\n',
        "test_processes.py::test_a_task_is_not_waited_for_when_no_worker_is_left_and_nothing_else_waits",
    ),
    "cluster: a scheduler that is gone ends the command": Protection(
        "cluster.py",
        '        if self._client.status != "running":\n            message = f"the Dask scheduler',
        '        if False:\n            message = f"the Dask scheduler',
        "test_faults.py::test_a_killed_scheduler_ends_the_command_with_1_and_the_run_goes_on_elsewhere",
    ),
    "NaN: looked for in every quarter": Protection(
        "engine.py",
        "                _refuse_undefined(state)\n",
        "",
        "test_faults.py::test_a_nan_is_named_by_replicate_quarter_and_array",
    ),
    "a policy that raises: its replicate alone fails": Protection(
        "stages/regulation.py",
        "        raise ReplicateError(message) from error\n",
        "        raise\n",
        "test_faults.py::test_a_policy_that_raises_is_named_and_the_other_replicates_are_kept",
    ),
}


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_protection_is_where_it_is_said_to_be(name):
    held = PROTECTIONS[name]
    assert (ROOT / "sim" / held.file).read_text(encoding="utf-8").count(held.code) == 1
    file, _, test = held.test.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize("name", PROTECTIONS)
def test_without_a_protection_its_test_fails(name, tmp_path):
    held = PROTECTIONS[name]
    for part in ("sim", "tests", "scenarios"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "sim" / held.file
    path.write_text(path.read_text(encoding="utf-8").replace(held.code, held.without), encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=line", f"tests/{held.test}"]
    settings = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**settings, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        told, _ = process.communicate()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what the fault left running
    assert process.returncode == 1 and "1 failed" in told, told[-3000:]
