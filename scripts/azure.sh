# shellcheck shell=bash
# What the scripts that speak to Azure have in common. To be sourced; the caller has changed into the repository and has
# set -euo pipefail, dry_run and agreed ("yes" or empty).
#
# Bash 3.2 is enough, which is what macOS has.

give_up() {
  printf 'scripts/%s: %s\n' "$(basename "$0")" "$1" >&2
  exit 1
}

say() { printf '\n--- %s\n' "$1"; }

need_settings() { # names of variables
  local name missing=""
  for name in "$@"; do
    [ -n "${!name:-}" ] || missing="$missing $name"
  done
  [ -z "$missing" ] || give_up "set these variables first, docs/deployment.md says to what:$missing"
}

need_commands() { # names of programs
  [ -z "$dry_run" ] || return 0
  local name
  for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 || give_up "$name is missing; install it and run this again"
  done
}

# A command as you could type it. Secrets are in no command: they travel as variables.
show() {
  local word
  printf '+'
  for word in "$@"; do
    case "$word" in
      '' | *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
}

run() {
  show "$@"
  [ -n "$dry_run" ] || "$@"
}

# Asks Azure for one value and puts it into `answer`. A dry run takes what stands in for the value.
# shellcheck disable=SC2034  # the caller reads it
answer=""
ask() { # stand-in, command…
  local stand_in="$1"
  shift
  show "$@"
  if [ -n "$dry_run" ]; then
    answer="$stand_in"
  else
    # shellcheck disable=SC2034
    answer="$("$@")"
  fi
}

# Goes on only if whoever runs the script agrees.
agree() { # question, the word that agrees
  [ -z "$dry_run" ] && [ -z "$agreed" ] || return 0
  local said=""
  printf '\n%s Type %s to go on: ' "$1" "$2"
  read -r said || true
  [ "$said" = "$2" ] || give_up "this is as far as it went, because you did not type $2"
}
