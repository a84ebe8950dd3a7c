#!/usr/bin/env bash
# Everything that wants a GPU, in one call: operations against the CPU, speed, and a run of the small recipe.
#
#   scripts/gpu.sh OUTPUT [DATA [TEACHER [EPOCHS]]]
#
# OUTPUT gets the logs and the run folder; DATA is anything that `i2pmae pretrain --data` takes.
set -euo pipefail
output=${1:?usage: scripts/gpu.sh OUTPUT [DATA [TEACHER [EPOCHS]]]}
data=${2:-shapes}
teacher=${3:-embedded}
epochs=${4:-50}
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$output"

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$output/machine.txt"
python3 -m pytest -m gpu tests 2>&1 | tee "$output/tests.txt"
for clouds in 32 128; do
    python3 benchmarks/ops.py --device cuda --clouds "$clouds" --points 2048 --growth 2048 16384
done 2>&1 | tee "$output/ops.txt"
python3 benchmarks/step.py --device cuda --teacher "$teacher" 2>&1 | tee "$output/step.txt"
python3 -m i2pmae pretrain small --data "$data" --teacher "$teacher" --epochs "$epochs" --batch-size 128 \
    --device cuda --output "$output/run" 2>&1 | tee "$output/run.txt"
