#!/bin/sh
# Fuzzes readers of strangers' bytes with libFuzzer, one after the other.
#
#   fuzz-bytes.sh PROGRAM SECONDS TARGET...    without a target: all
#
# New inputs go to .build-fuzz/corpora, an input that fails to .build-fuzz/failed: keep it in Corpora, where every run of
# the tests reads it. MERGE=1 adds what covers new code to Corpora instead of fuzzing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$1
seconds=$2
shift 2
work=$(dirname "$(dirname "$program")")
[ $# -gt 0 ] || set -- "$here"/Corpora/*
for target in "$@"; do
    target=${target##*/}
    found="$work/corpora/$target"
    mkdir -p "$found" "$work/failed"
    if [ -n "${MERGE-}" ]; then
        FUZZ_TARGET=$target "$program" -merge=1 "$here/Corpora/$target" "$found" 2>&1 | tail -n 1
        continue
    fi
    log="$work/$target.log"
    # Swift's own report of a trap would keep libFuzzer from writing the input down.
    if ! FUZZ_TARGET=$target SWIFT_BACKTRACE=enable=no "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=4096 -artifact_prefix="$work/failed/$target-" -print_final_stats=1 \
        "$found" "$here/Corpora/$target" >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "$target: failed; the input is in $work/failed"
        exit 1
    fi
    awk -v target="$target" '/stat::number_of_executed_units/ { runs = $2 } /stat::peak_rss_mb/ { rss = $2 }
        /DONE/ { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
        END { printf "%-18s %12d executions, coverage %d, %d MB\n", target, runs, cov, rss }' "$log"
done
