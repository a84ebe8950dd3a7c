#!/usr/bin/env bash
# Repeats the weights that come with the package: scripts/shipped_weights.sh TEACHER OUTPUT
#   TEACHER  a local folder with ViT-Ti/16 of ImageNet (vit_tiny_patch16_224), as Hugging Face stores it
#   OUTPUT   a folder for the run, 2.1 GiB while it lasts; the same command goes on with a run that was stopped
# 35 minutes on one CPU core with AVX-512 and bf16. Generated shapes are all that it learns from.
set -euo pipefail
teacher=$1 output=$2
resume=()
[ -f "$output/config.yaml" ] && resume=(--resume)
i2pmae pretrain best --data shapes --clouds 11200 --epochs 10 \
    --shapes.catalogue wide --shapes.assemblies 0.4 --shapes.warp 0.3 \
    --shapes.partial 0.15 --shapes.fewest 256 \
    --teacher "$teacher" --probe-clouds 2000 --output "$output" "${resume[@]}"
rm -rf src/i2pmae/weights/shipped/tiny
i2pmae export "$output" --output src/i2pmae/weights/shipped/tiny
