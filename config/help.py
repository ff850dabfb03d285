"""What `--help` says: the flags of a first run, all of them, or a method and what it adds."""

import inspect
from collections.abc import Sequence

from config.parser import FIRST_RUN, build_parser, peek
from config.recipes import rows
from methods import METHODS, method_named
from methods.declared import declared
from utils.colours import with_headings
from utils.naming import closest

SHORT = """\
Without arguments: the embedded task (six generated classes in three steps) by fine-tuning.
Repeated, a command continues where it was interrupted, and does not repeat what is finished.

    python run.py --method MiB
    python run.py --method PLOP --dataset voc --task 15-1 --data_root DIR
    python run.py --dataset my.yaml --task 6-1 --explain     your own images: python -m data.check DIR
"""
MORE = """\
more: --help all (every flag)   --help METHOD (a method, its flags, its published settings)   README.md
"""


def answer_help(argv: Sequence[str]) -> None:
    """Print what `argv` asks `--help` for, and exit; nothing if it does not ask.

    Raises:
        SystemExit: with 0, once the help is printed. ValueError: for a method that does not exist.
    """
    for at, word in enumerate(argv):
        flag, _, topic = word.partition("=")
        if flag in ("-h", "--help"):
            following = argv[at + 1] if at + 1 < len(argv) else "-"
            topic = topic or ("" if following.startswith("-") else following)
            others = peek([*argv[:at], *argv[at + 1 :]], "method")
            print(with_headings(help_on(topic, others.get("method", ""))))
            raise SystemExit(0)


def help_on(topic: str, method: str = "") -> str:
    """The help on a topic: "" (a first run), "all", or a method; the first two with the flags of `method`.

    Raises:
        ValueError: for another topic or an unknown method, naming the nearest.
    """
    if topic.lower() == "all":
        return build_parser(method_named(method or "FT")).format_help()
    if topic:
        return method_help(about_method(topic))
    text = build_parser("", only=FIRST_RUN, description=SHORT).format_help()
    if method:
        text += f"\n{method_flags(method_named(method))}"
    return f"{text}\n{MORE}".rstrip()


def about_method(topic: str) -> str:
    """The method that `topic` names; the error of an unknown one also names "all"."""
    try:
        return method_named(topic)
    except ValueError:
        return closest(topic, ["all", *METHODS], "topic of --help")


def method_help(method: str) -> str:
    """A method's idea, its flags with their defaults, and its published settings."""
    kind = METHODS[method]
    title = (inspect.getdoc(inspect.getmodule(kind)) or method).splitlines()[0]
    published = [row.name for row in rows() if row.method == method]
    text = f"{title}\n\n{inspect.getdoc(kind)}\n\n{method_flags(method)}"
    if published:
        text += "\npublished settings, python run.py --recipe NAME --data_root DIR:\n"
        text += "".join(f"  {name}\n" for name in published)
    return text.rstrip()


def method_flags(method: str) -> str:
    """The section of a method's own flags."""
    if not declared(method):
        return f"{method} has no flags of its own\n"
    return build_parser(method, only=(), description="").format_help().partition("\n\n")[2]
