#!/usr/bin/env bash
# A plan as a Slurm job array: task i of n measures every n-th row of the plan, from the i-th on.
#
#   sbatch --array=0-7 scripts/slurm-array.sh PLAN OUT      (on GPU nodes: --gres=gpu:1)
#   scripts/assay report OUT/shard-*                        (when it is done)
#
# Tasks that were killed, timed out or requeued go on where they stopped: submit the same line again. To submit only
# some of them again, say of how many they are: ASSAY_SHARDS=8 sbatch --array=3,5 scripts/slurm-array.sh PLAN OUT
#
#SBATCH --job-name=assay
#SBATCH --output=assay-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --exclusive
set -euo pipefail

[ $# -eq 2 ] && [ -n "${SLURM_ARRAY_TASK_ID:-}" ] || {
  echo "slurm-array.sh: expected: sbatch --array=0-N slurm-array.sh PLAN OUT" >&2
  exit 2
}
plan=$1 out=$2
shards=${ASSAY_SHARDS:-$SLURM_ARRAY_TASK_COUNT}
# Slurm runs a copy of this script out of its spool folder: the project is where sbatch was called, or in ASSAY_HOME.
assay=${ASSAY_HOME:-$SLURM_SUBMIT_DIR}/scripts/assay
[ -x "$assay" ] || {
  echo "slurm-array.sh: no $assay: submit from the project's folder, or set ASSAY_HOME to it" >&2
  exit 2
}

exec "$assay" run --plan "$plan" --shard "$SLURM_ARRAY_TASK_ID/$shards" \
  --out "$out/shard-$SLURM_ARRAY_TASK_ID-of-$shards" --resume ${SLURM_CPUS_PER_TASK:+--threads "$SLURM_CPUS_PER_TASK"}
