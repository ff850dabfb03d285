# Sourced by the other scripts, from the root of the project: source scripts/setup.sh requirements.txt
#
# With PYTHON=... that has all of the named requirements already: takes that, and installs nothing. Else makes .venv on
# first use and installs the requirements into it; afterwards this costs nothing until a requirements file or the Python
# version changes. Leaves the chosen Python first on PATH as `python`.

requirements=${1:?give a file of requirements, as scripts/demo.sh and scripts/test.sh do}
base=${PYTHON:-python3}

# A Python with everything in it is taken as it is.
if [ -n "${PYTHON:-}" ]; then
    if lacking=$("$base" scripts/installed.py "$requirements" 2>&1); then
        folder=$("$base" -c 'import os, sys; print(os.path.dirname(sys.executable))')
        if [ "$(command -v "$folder/python")" ]; then
            export PATH="$folder:$PATH"
            return 0
        fi
        lacking="$folder has no program called python"
    fi
    echo "$base is not used as it is, .venv is: $(echo "$lacking" | tail -n 3 | paste -s -d, - | sed 's/,/, /g')" >&2
fi

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
    if [[ $(python scripts/installed.py "$requirements" || true) == *"torch is "* ]]; then
        free=$(df -Ph . | awk 'NR == 2 { print $4 }')
        echo "  On Linux that is about 3 GB to fetch and 5.8 GB on disk (free here: $free), most of it PyTorch's CUDA" \
            "libraries; elsewhere about 1 GB." >&2
        command -v nvidia-smi > /dev/null ||
            echo "  No NVIDIA GPU was found, and PyTorch's CPU build (pytorch.org has its command) takes 1 GB:" \
                "install that and $requirements in an environment of your own, and give PYTHON=DIR/bin/python here." >&2
    fi
    python -m pip install --disable-pip-version-check -r "$requirements" >&2 || {
        echo "installation failed; the same command tries again" >&2
        exit 2
    }
    for part in "$requirements" $(sed -n 's/^-r //p' "$requirements"); do
        echo "$made_from" > ".venv/${part%.txt}.stamp"
    done
fi
