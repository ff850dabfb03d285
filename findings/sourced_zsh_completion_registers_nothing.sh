#!/usr/bin/env bash
# shtab 1.13.0: the zsh completion it writes says that it can be sourced, but only eval registers it.
#
# The script ends in a test whether the last of zsh_eval_context is "eval", with the comment "eval/source/. command".
# For `source FILE`, `. FILE` and `source <(tool --print-completion zsh)` zsh puts "file" there, so the other branch
# calls the completion at once: a complaint of _arguments, status 0, and TAB completes nothing. Needs zsh.
set -euo pipefail
command -v zsh > /dev/null || { echo "needs zsh, which is not installed: nothing was checked" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check shtab==1.13.0
cd "$folder"
venv/bin/python - > completion.zsh <<'PYTHON'
import argparse

import shtab

parser = argparse.ArgumentParser(prog="brew")
parser.add_argument("--kind", choices=["green", "black"], help="which tea")
print(shtab.complete(parser, shell="zsh"))
PYTHON
echo "shtab $(venv/bin/python -c 'import shtab; print(shtab.__version__)'), $(zsh --version)"
grep -F "# eval/source/. command, register function for later" completion.zsh ||
    { echo "the comment is another now" >&2; exit 1; }
registered() {
    zsh -f -c 'autoload -Uz compinit && compinit -u -D
        [[ -z ${_comps[brew]-} ]] || exit 3
        '"$1"'
        echo "status $?, completes with: ${_comps[brew]-nothing}"' 2>&1
}
check() {
    local seen
    seen=$(registered "$1")
    printf '%s\n  %s\n' "$1" "${seen//$'\n'/; }"
    [[ $seen == *"status 0, completes with: $2" ]] || { echo "it is another now, not: $2" >&2; exit 1; }
}
check 'source ./completion.zsh' nothing
check '. ./completion.zsh' nothing
check 'source <(cat completion.zsh)' nothing
check 'eval "$(cat completion.zsh)"' _shtab_brew
echo "seen: sourcing ends with status 0 and registers nothing; eval registers"
