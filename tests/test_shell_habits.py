"""What a shell user expects: completion, short help, colours only where they are wanted."""

import io
import shutil
import subprocess
import sys

import pytest

import run
from config.flags import DEFAULTS
from config.parser import FIRST_RUN
from methods import METHODS
from scripts.completion import completion, main
from utils.colours import RED, coloured, paint, with_headings, with_warning

COMPLETE = """
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_css_launched
echo "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The completion of bash, with what shows its answer for the words that it is called with."""
    file = tmp_path_factory.mktemp("shell") / "complete.bash"
    file.write_text(completion("bash") + COMPLETE)
    return file


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("python run.py --meth", ["--method"]),
        ("python -u ./run.py --method PLOP+", ["PLOP+NeST", "PLOP+EWF"]),
        ("python run.py --method DFT", ["DFT_STAR"]),
        ("torchrun --nproc_per_node 2 run.py --loss_dk", ["--loss_dkd"]),
        ("python run.py --no_sg", ["--no_sgd"]),
        ("python run.py --task 4", ["4-1"]),
        ("python run.py --dataset ade --task 50-", ["50-50b", "50-50", "50-50c"]),
        ("python run.py --recipe voc/mib_15-1", ["voc/mib_15-1-overlap", "voc/mib_15-1-disjoint"]),
        ("python run.py --dataset cit", ["cityscapes_domain", "cityscape"]),
        ("python run.py --step 0 1 --setting dis", ["disjoint"]),
        ("python run.py --help al", ["all"]),
        ("python other.py --meth", []),
    ],
)
def test_bash_completes_flags_and_the_values_that_fit_the_words_before(script, words, expected):
    done = subprocess.run(["bash", str(script), *words.split()], capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split()) == sorted(expected), done.stderr


def test_the_script_for_zsh_is_one_and_has_every_flag_and_method(tmp_path):
    text = completion("zsh")
    assert all(f'"--{name}[' in text for name in DEFAULTS) and "PLOP+NeST" in text
    if shutil.which("zsh"):
        (tmp_path / "complete.zsh").write_text(text)
        assert not subprocess.run(["zsh", "-n", tmp_path / "complete.zsh"], capture_output=True).stderr


def test_without_shtab_one_line_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["bash"]) == 2
    assert "python -m pip install shtab" in capsys.readouterr().err


def help_text(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stop:
        run.main([*argv])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_is_ten_flags_and_says_where_the_others_are(capsys):
    text = help_text(capsys, "--help")
    shown = {line.split()[0].strip("-") for line in text.splitlines() if line.startswith("  --")}
    assert shown == set(FIRST_RUN) and len(FIRST_RUN) == 10
    assert "--help all" in text and "--help METHOD" in text


def test_help_all_is_every_flag_and_those_of_the_method(capsys):
    text = help_text(capsys, "--method", "plop", "--help", "all")
    assert all(f"--{name}" in text for name in [*DEFAULTS, "pod_factor"])


@pytest.mark.parametrize("method", METHODS)
def test_help_on_a_method_is_its_idea_and_its_flags(capsys, method):
    text = help_text(capsys, f"--help={method}")
    assert METHODS[method].__doc__.split("\n")[0] in text
    assert f"hyper-parameters of {method}:" in text or f"{method} has no flags of its own" in text


def test_help_with_a_method_ends_with_its_flags(capsys):
    assert "--loss_kd" in help_text(capsys, "-h", "--method", "mib").rpartition("hyper-parameters of MiB:")[2]


def test_help_on_what_does_not_exist_names_the_nearest(capsys):
    assert run.main(["--help", "plob"]) == 2
    assert "did you mean PLOP" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_and_for_those_who_want_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(Terminal()) and not coloured(io.StringIO())
    assert paint("error:", RED, Terminal()) == "\x1b[1;31merror:\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("error:", RED, Terminal()) == "error:"


def test_colour_changes_no_letter_of_help_and_warnings(monkeypatch):
    text = "what to run:\n  --lr LR  per step, like --epochs\nwarning: random weights"
    assert with_headings(text) == text  # no terminal
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert with_headings(text).startswith(
        "\x1b[1mwhat to run:\x1b[0m\n  \x1b[36m--lr\x1b[0m LR  per step, like"
    )
    assert with_warning("warning: random") == "\x1b[33mwarning:\x1b[0m random"
