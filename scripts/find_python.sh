#!/bin/sh
# Print a Python that can make the virtual environment, or say on stderr why there is none and end with 1.
#   scripts/find_python.sh [CANDIDATE...]      default: python3 python3.13 python3.12 python3.11
# The first candidate wins that really runs, has a supported version, and has venv and ensurepip.
[ $# -gt 0 ] || set -- python3 python3.13 python3.12 python3.11

seen=""
for candidate in "$@"; do
  # A name on the PATH may be a shim for a version that is not there: only what runs counts.
  version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
  case $version in
    3.11.* | 3.12.* | 3.13.*)
      if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "$candidate"
        exit 0
      fi
      minor=${version%.*}
      seen="$seen
  $candidate is Python $version without venv. Debian and Ubuntu: apt-get install python$minor-venv"
      ;;
    *) seen="$seen
  $candidate is Python $version" ;;
  esac
done

{
  echo "demo_pipeline needs Python 3.11, 3.12 or 3.13 with venv."
  if [ -n "$seen" ]; then
    echo "Found:$seen"
  else
    echo "Not one of these runs: $*"
  fi
  echo "Install one (Debian and Ubuntu: apt-get install python3 python3-venv), or name it: make install PYTHON=..."
} >&2
exit 1
