# shellcheck shell=bash
# What the scripts share; source it from the root of the checkout.

# find_python: print the newest Python that will do.
find_python() {
    local candidate
    for candidate in ${EDGE_PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "Edge needs Python 3.11 or newer, and found none. On Debian 12: apt install python3 python3-venv" >&2
    return 1
}

# make_venv FOLDER PYTHON WHAT [pip arguments …]: make a virtual environment and install into it, unless it is up to date.
# It is up to date when pyproject.toml, the Python and the arguments are those of the last time.
make_venv() {
    local folder=$1 python=$2 what=$3
    shift 3
    local wanted
    wanted="$("$python" -V) $* $(sha256sum pyproject.toml edge/__init__.py | sha256sum)"
    if [ "$(cat "$folder/.edge-installed" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    echo "Installing $what into $folder (once; about a minute) …"
    if ! "$python" -m venv "$folder" >/tmp/edge-venv.$$ 2>&1; then
        cat /tmp/edge-venv.$$ >&2
        rm -f /tmp/edge-venv.$$
        echo "Python's venv is missing or broken. On Debian: apt install python3-venv" >&2
        return 1
    fi
    rm -f /tmp/edge-venv.$$
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    printf '%s' "$wanted" >"$folder/.edge-installed"
}
