#!/bin/sh
# Removes onnxruntime-node's binaries of other platforms from node_modules (half of its size). Run in the root of the project.
set -eu
bin=node_modules/onnxruntime-node/bin/napi-v6
arch=$(node -p process.arch)
test -d "$bin/linux/$arch"
for path in "$bin"/* "$bin"/linux/*; do
  case "$path" in
    "$bin/linux" | "$bin/linux/$arch") ;;
    *) rm -rf "$path" ;;
  esac
done
