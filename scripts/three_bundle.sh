#!/usr/bin/env bash
# Makes src/i2pmae/viz/assets/vendor/three.js anew: of three.js, what the explorer's page uses, as one plain script that
# defines THREE, with its licence beside it. Needs npm and its registry.
#
#   scripts/three_bundle.sh
#
# THREE and ESBUILD name other versions. Whoever changes a version looks at the page after it (docs/explore.md).
set -euo pipefail
cd "$(dirname "$0")/.."
three=${THREE:-0.187.0}
esbuild=${ESBUILD:-0.28.2}
vendor=$PWD/src/i2pmae/viz/assets/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund "three@$three" "esbuild@$esbuild"
cat >part.js <<'JS'
export { BufferAttribute, BufferGeometry, Camera, Points, Scene, ShaderMaterial, WebGLRenderer } from "three";
JS
npx esbuild part.js --bundle --minify --format=iife --global-name=THREE --target=es2020 --charset=ascii \
    --legal-comments=none --banner:js="// three.js $three, MIT licence (three.LICENSE), a part of it by esbuild $esbuild" \
    --outfile="$vendor/three.js" --log-level=warning
cp node_modules/three/LICENSE "$vendor/three.LICENSE"
wc -c "$vendor/three.js"
