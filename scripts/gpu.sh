#!/usr/bin/env bash
# Everything that wants a GPU, in one call of ten minutes: operations against the CPU, how often the steps of each method
# and task wait for the GPU (tests.txt lists them), speed, and a run of the small recipe.
#
#   scripts/gpu.sh OUTPUT [DATA [TEACHER [EPOCHS]]]
#
# OUTPUT gets what each part printed, the tables and records of speed, the run folder, and summary.txt with the status
# of every part. A part that takes too long is stopped, so that the others have their time; a run that is stopped so goes
# on with `i2pmae pretrain --output OUTPUT/run --resume`. DATA is anything that `i2pmae pretrain --data` takes. The
# environment variable SECONDS_IN_ALL gives another time than 590 seconds.
set -uo pipefail
output=${1:?usage: scripts/gpu.sh OUTPUT [DATA [TEACHER [EPOCHS]]]}
data=${2:-shapes}
teacher=${3:-embedded}
epochs=${4:-50}
cd "$(dirname "$0")/.." || exit 1
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
mkdir -p "$output"
all=${SECONDS_IN_ALL:-590} failed=0
: >"$output/summary.txt"

# part NAME LIMIT COMMAND...: run it for so many seconds at most; keep what it prints, and how it ended
part() {
    local name=$1 limit=$2 start=$SECONDS status=0
    shift 2
    timeout --kill-after=15 "$limit" "$@" 2>&1 | tee "$output/$name.txt" || status=$?
    echo "$name: status $status, $((SECONDS - start)) of $limit seconds" | tee -a "$output/summary.txt"
    [ "$status" -eq 0 ] || failed=1
}

part machine 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
part tests $((all / 5)) python3 -m pytest -m gpu -rP tests
part bench $((all / 4)) python3 -m i2pmae bench --device cuda --batch-size 128 --output "$output" \
    --only operations projection lift teacher step embedding
part published $((all / 5)) python3 -m benchmarks.published --device cuda --clouds 4 32 128 --repeats 5 \
    --output "$output"
left=$((all - SECONDS - 20))
part run $((left > 60 ? left : 60)) python3 -m i2pmae pretrain small --data "$data" --teacher "$teacher" \
    --epochs "$epochs" --batch-size 128 --device cuda --output "$output/run"
exit "$failed"
