#!/usr/bin/env bash
# Repeats weights that have a name: scripts/shipped_weights.sh NAME TEACHER OUTPUT
#   NAME     tiny, those that come with the package, or small, those in weights/ of the repository
#   TEACHER  a local folder with ViT-Ti/16 of ImageNet (vit_tiny_patch16_224), as Hugging Face stores it
#   OUTPUT   a folder for the run, 2.1 GiB (tiny) or 11 GiB while it lasts; the same command goes on with one that was stopped
# On one CPU core with AVX-512 and bf16, tiny takes 35 minutes and small two hours. Generated shapes are all that they
# learn from.
set -euo pipefail
usage="usage: scripts/shipped_weights.sh tiny|small TEACHER OUTPUT"
name=${1:?$usage} teacher=${2:?$usage} output=${3:?$usage}
case $name in
tiny)
    recipe=(best --clouds 11200 --epochs 10 --batch-size 32 --loss.hidden taken --loss.targets normalised)
    folder=src/i2pmae/weights/shipped/tiny
    store=(export "$output" --output "$folder")
    ;;
small)
    recipe=(small --clouds 64000 --epochs 2 --precision bf16)
    folder=weights/small
    store=(push "$output" i2pmae/small --folder "$folder" --licence apache-2.0 --no-upload)  # with a model card
    ;;
*)
    echo "$usage" >&2
    exit 2
    ;;
esac
resume=()
[ -f "$output/config.yaml" ] && resume=(--resume)
i2pmae pretrain "${recipe[@]}" --data shapes \
    --shapes.catalogue wide --shapes.assemblies 0.4 --shapes.warp 0.3 \
    --shapes.partial 0.15 --shapes.fewest 256 \
    --teacher "$teacher" --probe-clouds 2000 --output "$output" "${resume[@]}"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
i2pmae "${store[@]}"
