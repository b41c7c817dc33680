# What scripts/test and scripts/attack share: the programs of Debian and the packages of PyPI
# that they need, and installing what the machine lacks. Sourced, at the top of the clone.
# shellcheck shell=bash

venv=target/test-tools/venv
requirements=tests/support/requirements.txt

have() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command as root where that takes no question.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        echo "not root, and sudo would ask: not run: $*" >&2
        return 1
    fi
}

# Installs the programs of the array `programs`, each with its Debian package behind a colon.
install_programs() {
    local missing=() program
    # Debian keeps servers in sbin, which is not on everybody's path.
    export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
    for program in "${programs[@]}"; do
        have "${program%%:*}" || missing+=("${program##*:}")
    done
    # Debian ships python3 without what a virtual environment needs.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ]; then
        echo "programs: all there"
        return
    fi
    echo "programs: installing ${missing[*]}"
    if have apt-get; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update || true
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --yes --no-install-recommends "${missing[@]}" \
            || echo "could not install ${missing[*]}: tests that need them will say so"
    else
        echo "no apt-get here: install them by hand: ${missing[*]}"
    fi
}

install_python_packages() {
    # Made anew when the list changes; the stamp is the list itself.
    if cmp -s "$requirements" "$venv/requirements.txt"; then
        echo "python packages: all there"
        return
    fi
    echo "python packages: installing"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    if python3 -m venv "$venv" \
        && "$venv/bin/pip" --quiet --disable-pip-version-check install --requirement "$requirements"; then
        cp "$requirements" "$venv/requirements.txt"
    else
        echo "could not install python packages: tests that need them will say so"
    fi
}
