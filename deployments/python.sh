#!/bin/sh
# Tells which Python to make the virtual environment with: `python3`, unless it was built without its own
# optimisation (`pyenv install` as it comes: a decision takes 1.3 of the time) and the system's will do.
optimised() {
  "$1" -c 'import sys, sysconfig; sys.exit("--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""))'
}
will_do() {
  "$1" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
system=/usr/bin/python3
if ! optimised python3 && will_do "$system"; then echo "$system"; else echo python3; fi
