"""Completion of flags, methods, data sets, tasks and recipes in bash and zsh.

    python -m scripts.completion bash > ~/.run_py.bash && echo '. ~/.run_py.bash' >> ~/.bashrc
    python -m scripts.completion zsh > ~/.run_py.zsh && echo 'eval "$(<~/.run_py.zsh)"' >> ~/.zshrc

Written once, it costs nothing at a key press; written again, it knows new methods and recipes. It completes
`run.py`, in bash also `python ... run.py` and `torchrun ... run.py`; in ~/.zshrc the line must follow
`compinit`, whose completion of python knows its scripts.
"""

# shtab, because it writes a file that the shell alone works with: argcomplete runs the program at each key
# press, and a Python that knows our methods has imported torch, which takes seconds.

import argparse
import sys
from collections.abc import Sequence

from config.flags import DEFAULTS, FLAGS, Flag
from config.parser import add_flag
from config.recipes import read_recipes
from dataset import DATASETS
from methods import METHODS, SPELLINGS, hyper_parameters
from models import BACKBONES
from task_tables import task_names
from utils.commands import answer

FOLDERS = ("data_root", "index_dir", "checkpoint", "results_dir", "logdir", "cache_dir")
FILES = ("config", "step_ckpt", "ckpt", "replay_batch", "pretrained_path")

# Values that depend on the words before, and what may be a name or a file.
BASH = """
_css_tasks() { local at tasks=($TASKS)
    for ((at = 1; at < COMP_CWORD; at++)); do case "${COMP_WORDS[at - 1]} ${COMP_WORDS[at]}" in
$CASES
    esac; done
    compgen -W "${tasks[*]}" -- "$1"; }
_css_dataset_files() { compgen -W "$DATASETS" -- "$1"; compgen -f -X '!*.y*ml' -- "$1"; }
_css_recipe_files() { compgen -W "auto none $RECIPES" -- "$1"; compgen -f -X '!*.y*ml' -- "$1"; }
# What follows run.py in the words of a launcher, as if it had been called by itself; else files.
_css_launched() { local at
    for ((at = 1; at < COMP_CWORD; at++)); do case "${COMP_WORDS[at]}" in run.py | */run.py)
        COMP_WORDS=("${COMP_WORDS[@]:at}"); ((COMP_CWORD -= at)); _shtab_run_py; return ;;
    esac; done
    compopt -o default; COMPREPLY=(); }
complete -o bashdefault -F _css_launched python python3 torchrun
"""
ZSH = """
_css_tasks() { local at tasks=($TASKS)
    for ((at = 2; at < CURRENT; at++)); do case "${words[at - 1]} ${words[at]}" in
$CASES
    esac; done
    compadd -a tasks; }
_css_dataset_files() { compadd $DATASETS; _files -g '*.y*ml'; }
_css_recipe_files() { compadd auto none $RECIPES; _files -g '*.y*ml'; }
"""
WORDS = {"bash": BASH, "zsh": ZSH}


def completion_parser() -> argparse.ArgumentParser:
    """All run flags and the flags of all methods, with the values that are known; it parses nothing."""
    parser = argparse.ArgumentParser(prog="run.py", allow_abbrev=False, add_help=False)
    for flags in FLAGS.values():
        for flag in flags:
            add_flag(parser, flag)
    owners: dict[str, list[str]] = {}
    for method, kind in METHODS.items():
        for name in hyper_parameters(kind).keys() - DEFAULTS.keys():
            owners.setdefault(name, []).append(method)
    for name, known_by in owners.items():
        kind, default, _ = hyper_parameters(METHODS[known_by[0]])[name]
        text = f"of {', '.join(known_by[:3])}{', ...' * (len(known_by) > 3)}"
        add_flag(parser, Flag(name, default, "weights", text, kind=kind), both_ways=True)
    typed = {name: spelling for spelling, name in SPELLINGS.items()}
    methods = [typed.get(name, name) for name in METHODS]
    parser.add_argument("--help", choices=["all", *methods], help="of a first run, of all flags, of a method")
    for action in parser._actions:
        if action.dest in (known := {"method": methods, "backbone": [*BACKBONES], "step": ["all", "0"]}):
            action.choices = known[action.dest]
        if function := value_function(action.dest):
            action.complete = function  # shtab would take {} for choices that are not there
    return parser


def value_function(flag: str) -> dict[str, str]:
    """Which function of each shell completes the value of `flag`; {} if none does."""
    if flag in FOLDERS:
        return {"bash": "_shtab_compgen_dirs", "zsh": "_files -/"}
    if flag in FILES:
        return {"bash": "_shtab_compgen_files", "zsh": "_files"}
    own = {"task": "_css_tasks", "dataset": "_css_dataset_files", "recipe": "_css_recipe_files"}
    return {"bash": own[flag], "zsh": own[flag]} if flag in own else {}


def completion(shell: str) -> str:
    """The script for a `shell`, "bash" or "zsh".

    Raises:
        ValueError: if shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise ValueError("completion is written by shtab: python -m pip install shtab") from None
    tasks = {name: " ".join(dict.fromkeys([*task_names(name), "offline"])) for name in DATASETS}
    tasks[DEFAULTS["dataset"]] = f"{DEFAULTS['task']} {tasks[DEFAULTS['dataset']]}"
    cases = "\n".join(f'    "--dataset {name}") tasks=({words}) ;;' for name, words in tasks.items())
    preamble = WORDS[shell].replace("$TASKS", tasks[DEFAULTS["dataset"]]).replace("$CASES", cases)
    preamble = preamble.replace("$DATASETS", " ".join(DATASETS)).replace("$RECIPES", " ".join(read_recipes()))
    return shtab.complete(completion_parser(), shell, preamble=preamble)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script of a shell; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.completion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=sorted(WORDS))
    options = parser.parse_args(argv)
    return answer("completion", lambda: print(completion(options.shell)))


if __name__ == "__main__":
    sys.exit(main())
