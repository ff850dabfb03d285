# Sourced by the other scripts, from the root of the project: source scripts/setup.sh requirements.txt
#
# Makes .venv on first use and installs the named requirements into it; afterwards this costs nothing until a
# requirements file or the Python version changes. Leaves .venv first on PATH.

requirements=$1
base=${PYTHON:-python3}

if ! .venv/bin/python -c '' 2>/dev/null; then
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
        echo "$base is not Python 3.11 or newer: name one that is with PYTHON=..." >&2
        exit 2
    }
    echo "creating .venv" >&2
    "$base" -m venv --clear .venv || {
        echo "$base cannot create virtual environments (on Debian and Ubuntu: apt install python3-venv)" >&2
        exit 2
    }
fi
export PATH="$PWD/.venv/bin:$PATH"

# The stamp of an installation is what it was made from; it is written only when the installation is complete.
made_from=$(cat requirements*.txt <(python --version) | cksum)
stamp=.venv/${requirements%.txt}.stamp
if [ "$(cat "$stamp" 2>/dev/null)" != "$made_from" ]; then
    echo "installing $requirements into .venv (once, some minutes)" >&2
    python -m pip install --quiet --disable-pip-version-check -r "$requirements" || {
        echo "installation failed; the same command tries again" >&2
        exit 2
    }
    for part in "$requirements" $(sed -n 's/^-r //p' "$requirements"); do
        echo "$made_from" > ".venv/${part%.txt}.stamp"
    done
fi
