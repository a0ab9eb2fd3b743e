#!/bin/sh
# Installs a one-folder build for this user, without root: sh install.sh [FOLDER OF THE BUILD]; sh install.sh --remove
set -eu
here=$(cd "$(dirname "$0")" && pwd)
share="${XDG_DATA_HOME:-$HOME/.local/share}"
target="$HOME/.local/opt/outfitswap"
bin="$HOME/.local/bin/outfitswap"
entry="$share/applications/outfitswap.desktop"
icon="$share/icons/hicolor/scalable/apps/outfitswap.svg"

tell_desktop() {
  if command -v update-desktop-database >/dev/null 2>&1; then
    update-desktop-database "$share/applications" >/dev/null 2>&1 || true
  fi
}

case "${1:-}" in
  --remove)
    rm -rf "$target" "$target.new"
    rm -f "$bin" "$entry" "$icon"
    tell_desktop
    echo "Removed. Your history and results stay in $share/OutfitSwap."
    exit 0
    ;;
  -*)
    echo "usage: sh install.sh [FOLDER OF THE BUILD] | --remove" >&2
    exit 2
    ;;
esac

build="${1:-$here/../../dist/outfitswap}"
if [ ! -x "$build/outfitswap" ] || [ ! -d "$build/_internal" ]; then
  echo "There is no build in $build: make one with  uv run python build_spec.py" >&2
  exit 2
fi
if [ -e "$bin" ] && [ ! -L "$bin" ]; then
  echo "$bin is there already and is not ours: move it away first." >&2
  exit 2
fi
mkdir -p "$(dirname "$bin")" "$(dirname "$entry")" "$(dirname "$icon")" "$(dirname "$target")"
rm -rf "$target.new"
cp -a "$build" "$target.new"
rm -rf "$target"
mv "$target.new" "$target"
ln -sfn "$target/outfitswap" "$bin"
sed "s|^Exec=outfitswap|Exec=\"$bin\"|" "$here/outfitswap.desktop" > "$entry"
cp "$target/_internal/outfitswap_desktop/resources/icons/app.svg" "$icon"
tell_desktop
echo "Installed: $bin"
case ":$PATH:" in
  *":$(dirname "$bin"):"*) ;;
  *) echo "$(dirname "$bin") is not in your PATH: add it, or start the program from the menu." ;;
esac
