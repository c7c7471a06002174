"""Narrow terminals, terminals without colour or UTF-8, and pipes: nothing fails and no number is cut."""

import os
import re
import subprocess
import sys
import threading

import pytest
from rich.console import Console
from typer.testing import CliRunner

from sim.app import cli, terminal

pty = pytest.importorskip("pty", reason="needs a terminal as Unix has them")

SMALL = ("--replicates", "2", "--quarters", "8", "--no-figures")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NUMBER = re.compile(r"(?<![\w.-])\d[\d,.]*(?:e-?\d+)?%?(?![\w])")
NARROW = 40


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small run of two years; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    done = CliRunner().invoke(cli.app, ["run", "baseline", *SMALL, "--out", str(folder), "--quiet"])
    assert done.exit_code == 0, done.output
    return folder


def in_a_terminal(*words, **environment):
    """Exit code and everything that the command writes to a terminal."""
    own, others = pty.openpty()
    variables = {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "sim", *map(str, words)]
    process = subprocess.Popen(
        command, stdin=others, stdout=others, stderr=others, env=kept | variables, close_fds=True
    )
    os.close(others)
    parts = []

    def read():
        while True:
            try:
                part = os.read(own, 65536)
            except OSError:  # the other side is closed
                return
            if not part:
                return
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(own)
    return code, b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")


def in_a_pipe(*words, **environment):
    command = [sys.executable, "-m", "sim", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment, stdin=subprocess.DEVNULL
    )


def numbers(text):
    return sorted(NUMBER.findall(text))


@pytest.mark.parametrize(
    "words", [["list", "parameters"], ["list", "levers"], ["show", "parameter", "flywheel"], ["show", "RESULT"]]
)
def test_in_40_columns_every_line_fits_and_every_number_is_whole(words, finished):
    words = [finished if word == "RESULT" else word for word in words]
    code, narrow = in_a_terminal(*words, COLUMNS=str(NARROW))
    assert code == 0, narrow
    narrow = ESCAPE.sub("", narrow)
    assert max(map(len, narrow.splitlines())) <= NARROW
    assert "\N{HORIZONTAL ELLIPSIS}" not in narrow
    assert numbers(narrow) == numbers(in_a_pipe(*words).stdout)


def test_a_cut_number_would_be_seen():
    assert numbers("HHI 4,6\n91 of 10%") != numbers("HHI 4,691 of 10%")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "measures"], ["diff", "baseline", "RESULT"]])
def test_no_terminal_is_too_poor(words, finished):
    words = [finished if word == "RESULT" else word for word in words]
    code, text = in_a_terminal(*words, COLUMNS="1", TERM="dumb")
    assert code == 0, text
    assert "Traceback" not in text


def test_columns_that_do_not_fit_follow_below_with_the_labels_again(finished):
    code, text = in_a_terminal("show", finished, COLUMNS="26")
    assert code == 0
    lines = [line.strip() for line in ESCAPE.sub("", text).splitlines()]
    assert lines.index("2024") < lines.index("2025")
    assert sum(line.startswith("Makers' chip") for line in lines) > 2


def test_a_terminal_gets_colour_and_no_color_is_respected(finished):
    colour = re.compile(r"\x1b\[[0-9;]*[123]m")
    assert colour.search(in_a_terminal("show", finished)[1])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", in_a_terminal("show", finished, NO_COLOR="1")[1])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", in_a_terminal("--help", NO_COLOR="1")[1])


def test_a_pipe_gets_no_colour_no_progress_and_nothing_on_standard_error(tmp_path):
    done = in_a_pipe("run", "baseline", *SMALL, "--out", tmp_path / "run", COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_the_c_locale_without_utf8_is_enough(finished):
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (["show", finished], ["list", "parameters"], ["diff", finished, "baseline"], ["run", "--help"]):
        done = in_a_pipe(*words, **plain)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
    code, text = in_a_terminal("show", finished, COLUMNS="40", **plain)
    assert code == 0, text
    assert text.isascii()


def test_a_table_is_narrowed_from_its_widest_column(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "PIPE_WIDTH", 30)
    terminal.print_table(("name", "value", "meaning"), [("flywheel", "1.25", "how strongly revenue rises")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 30
    assert lines[1].split()[:2] == ["flywheel", "1.25"]


def test_a_long_name_is_not_cut_in_favour_of_a_long_sentence(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "PIPE_WIDTH", 40)
    name = "serving_algorithm_elasticity"
    terminal.print_table(("name", "meaning"), [(name, "a b c d e f g h i j k l m n o p q r s t u v w x y z")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[1].split()[0] == name


def test_a_table_that_cannot_fit_becomes_blocks(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "PIPE_WIDTH", 12)
    terminal.print_table(("name", "value"), [("flywheel", "1.25"), ("gamma", "123456789")])
    assert capsys.readouterr().out.split() == ["flywheel", "value:", "1.25", "gamma", "value:", "123456789"]


def test_lines_longer_than_the_terminal_are_cut_at_words(monkeypatch):
    monkeypatch.setattr(terminal, "console", lambda: Console(width=40))
    line = " " * 20 + "= kappa x units sold = 0.06541 x 0.6209 and more"
    assert terminal.hanging("short") == "short"
    assert terminal.hanging(line).splitlines() == ["     = kappa x units sold = 0.06541 x", "       0.6209 and more"]
