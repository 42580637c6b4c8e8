#!/bin/sh
# Print a Python that can build the book; say why when there is none.
#
#   find_python.sh [PYTHON]
#
# With an argument that Python is taken or refused. Without one, the Python
# that already made .venv comes first, then python3, then the versioned names.

probe='
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("is %d.%d.%d" % sys.version_info[:3])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("has no venv module (Debian, Ubuntu: apt install python%d.%d-venv)"
             % sys.version_info[:2])
print(sys.executable)
'

try() {  # sets $found, or adds a line to $why
    answer=$("$1" -c "$probe" 2>&1)
    if [ $? -eq 0 ]; then
        found=$answer
        return 0
    fi
    answer=$(printf '%s\n' "$answer" | sed -n '1p')
    why="$why
  $1: $answer"
    return 1
}

why=
if [ -n "$1" ]; then
    try "$1" && { printf '%s\n' "$found"; exit 0; }
    echo "This book needs Python 3.11, 3.12 or 3.13, and PYTHON=$1 will not do:$why" >&2
    exit 1
fi

if [ -x .venv/bin/python ] && try .venv/bin/python; then
    printf '%s\n' "$found"
    exit 0
fi
why=
for name in python3 python3.13 python3.12 python3.11 python; do
    command -v "$name" >/dev/null 2>&1 || continue
    if try "$name"; then
        [ "$name" = python3 ] || echo "python3 will not do, taking $name ($found)" >&2
        printf '%s\n' "$found"
        exit 0
    fi
done
[ -n "$why" ] || why="
  none was found on the PATH"
echo "This book needs Python 3.11, 3.12 or 3.13. Looked at:$why
Install one of them, or name it: make book PYTHON=/path/to/python3.12" >&2
exit 1
