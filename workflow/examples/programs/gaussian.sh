#!/bin/sh
# sh gaussian.sh PYTHON DATA RUN SEED SAMPLES: gaussian.awk, which reads and writes text, as a method
# whose rows are arrays in the folder DATA, and whose results are the four files of the folder RUN.
set -eu
export LC_ALL=C  # numbers with a point
python=$1 data=$2 run=$3 seed=$4 samples=$5
text=$(mktemp -d)
trap 'rm -rf "$text"' EXIT

to_text='import sys, numpy; numpy.savetxt(sys.argv[2], numpy.load(sys.argv[1]), "%.17g")'
to_array='import sys, numpy; numpy.save(sys.argv[2], numpy.loadtxt(sys.argv[1], ndmin=int(sys.argv[3])))'

for split in train test; do
    "$python" -c "$to_text" "$data/$split.npy" "$text/$split"
done
awk -v log_prob="$text/log_prob" -v drawn="$text/samples" -v seed="$seed" -v samples="$samples" \
    -f "$(dirname "$0")/gaussian.awk" "$text/train" "$text/test"
"$python" -c "$to_array" "$text/log_prob" "$run/log_prob.npy" 1
"$python" -c "$to_array" "$text/samples" "$run/samples.npy" 2
echo '{"nfe": null, "protocol": {"solver": "none (awk)", "trained": false}}' > "$run/likelihood.json"
echo '{}' > "$run/cost.json"
