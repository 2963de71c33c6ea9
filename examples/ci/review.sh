#!/bin/sh
# Reviews a change in any pipeline. Everything comes in by variables:
#
#   MODE     review (default): compare, and tell the forge; require-reviewed: fail unless exactly this was reviewed
#   BASE     the commit that the change starts from      HEAD     its last commit
#   PROJECT  the project's directory (default: .)        BY       change, node or state (default: change)
#   FORGE    github or gitlab; empty: print alone        PAGE     where the page goes (default: stead-review.html)
#   STEAD    the program (default: stead)            RECORD   where require-reviewed writes what `stead apply --reviewed` takes
#                                                             (default: stead-reviewed.json)
#
# and what the forge's API needs (see `stead explain forge-unknown`).
set -eu
: "${BASE:?is the commit that the change starts from}" "${HEAD:?is the last commit of the change}"
stead=${STEAD:-stead}
command -v "$stead" >/dev/null || { echo "there is no program $stead: install it before, or name it in STEAD" >&2; exit 127; }
project=${PROJECT:-.} forge=${FORGE:-}

# A build machine often has the last commit alone.
for commit in "$BASE" "$HEAD"; do
  git cat-file -e "$commit^{commit}" 2>/dev/null || git fetch -q --depth 200 origin "$commit"
done

case ${MODE:-review} in
review)
  # From where the change parted from its base: what others merged meanwhile is not its doing.
  range=$BASE...$HEAD
  git merge-base "$BASE" "$HEAD" >/dev/null 2>&1 || range=$BASE..$HEAD
  set -- review "$range" "$project" --by "${BY:-change}" --html "${PAGE:-stead-review.html}"
  ;;
require-reviewed)
  : "${FORGE:?is where the review is recorded}"
  exec "$stead" review "$BASE..$HEAD" "$project" --brief --require-reviewed "$forge" --record "${RECORD:-stead-reviewed.json}"
  ;;
*)
  echo "MODE is $MODE, expected review or require-reviewed" >&2
  exit 2
  ;;
esac
if [ -n "$forge" ]; then set -- "$@" --publish "$forge"; fi
exec "$stead" "$@"
