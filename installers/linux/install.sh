#!/bin/sh
# Installs a one-folder build for this user, without root: sh install.sh [FOLDER OF THE BUILD]; sh install.sh --remove
set -eu
here=$(cd "$(dirname "$0")" && pwd)
share="${XDG_DATA_HOME:-$HOME/.local/share}"
target="$HOME/.local/opt/outfitswap"
bin="$HOME/.local/bin/outfitswap"
entry="$share/applications/outfitswap.desktop"
icon="$share/icons/hicolor/scalable/apps/outfitswap.svg"

if [ "${1:-}" = "--remove" ]; then
  rm -rf "$target" "$bin" "$entry" "$icon"
  echo "Removed. Your history and results stay in $share/OutfitSwap."
  exit 0
fi

build="${1:-$here/../../dist/outfitswap}"
if [ ! -x "$build/outfitswap" ]; then
  echo "There is no build in $build: make one with  uv run python build_spec.py" >&2
  exit 2
fi
mkdir -p "$(dirname "$bin")" "$(dirname "$entry")" "$(dirname "$icon")" "$(dirname "$target")"
rm -rf "$target.new"
cp -a "$build" "$target.new"
rm -rf "$target"
mv "$target.new" "$target"
ln -sf "$target/outfitswap" "$bin"
sed "s|^Exec=outfitswap|Exec=$bin|" "$here/outfitswap.desktop" > "$entry"
cp "$target/_internal/outfitswap_desktop/resources/icons/app.svg" "$icon"
echo "Installed: $bin"
