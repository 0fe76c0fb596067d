"""Time each job beside its named peers, in fresh processes, turn and turn about.

``make bench`` runs every row, ``make bench ARGS=pca`` those whose name begins so, and
``make bench ARGS=--quick`` all of them on small data, within three minutes: that shows that the
room works, not how fast anything is. Tables go to the terminal and, with every single measurement
as JSON, to ``build/bench/``.

How to read a table
-------------------
A row is one job on one map. Its first line is this package, the others are peers, each as its own
documentation recommends for the job, with the same number of threads.

- *wall*, *CPU*: seconds of the job alone, user and system time together for the second; median of
  the rounds. Data is prepared once, and loaded before the clock starts. Every process warms up
  first: it does the same job once, on part of the pixels, or for fewer rounds, where that is long.
  Ours has been run once before all rounds, so that its code is compiled: what compiling costs is a
  row of its own.
- *peak*: memory of the job at its worst, in MB of 10^6 bytes, beyond what the process held before
  it: the data as loaded, and the libraries. It is Linux's own high-water mark, set back before the
  job. Where the data is a mapped file it is anonymous memory instead, which leaves out the pages of
  that file, sampled every 5 ms from a process beside it.
- *error*: how far the result is from the truth, worst of the rounds, worked out after the process
  has ended. Each row says in what, and which error is as good as none.
- *slower*: wall time of the peer over ours, a ratio for every round, as min - median - max. A round
  runs everybody once, each in a process of its own, and begins with another one every time, so that
  a busy machine is busy for all. *memory* is the same ratio of peaks.
- *target* and *verdict*: the ratio we mean to keep, which the median reached or missed. FAILED
  means that our result is worse than the peer's, and worse than the error that is as good as none:
  then speed says nothing. "Peer less exact" is the other way round: the peer did less work, and
  the ratio is in its favour.

Where a job is a whole program, from an empty process to a result on disk, all its time counts, and
memory is the most that the process ever held. A way that has taken very long is not run again: the
column of rounds shows it.

The modules: `harness` has what a row is and the rounds, `child` what happens in a fresh process,
`memory` how peaks are measured, `report` ratios and tables, `data` the maps; `pca`, `nmf`,
`corners`, `abundances`, `clusters`, `doubt` and `startup` have the rows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import harness, report

ROWS = (
    "bench.pca:pca_needle",
    "bench.pca:pca_omphacite",
    "bench.pca:pca_stack",
    "bench.nmf:nmf_sweep_needle",
    "bench.nmf:nmf_sweep_omphacite",
    "bench.nmf:nmf_gap_needle",
    "bench.nmf:nmf_gap_omphacite",
    "bench.nmf:nmf_gaussian",
    "bench.corners:nfindr",
    "bench.abundances:nonnegative_needle",
    "bench.abundances:sum_to_one_needle",
    "bench.abundances:nnls",
    "bench.clusters:kmeans_lines",
    "bench.clusters:kmeans_pca",
    "bench.clusters:kmeans_dense",
    "bench.clusters:kmeans_spectra",
    "bench.clusters:silhouette",
    "bench.clusters:silhouette_pca",
    "bench.clusters:cluster_sweep",
    "bench.clusters:cluster_sweep_pca",
    "bench.doubt:rank_report_cheap",
    "bench.doubt:rank_report",
    "bench.doubt:bootstrap",
    "bench.startup:first_result",
    "bench.startup:cold_compile",
)
RESULTS = Path(__file__).parents[2] / "build" / "bench"


def main(arguments):
    """Run the rows that are wanted, or all; return the exit status."""
    options = parse(arguments)
    rows = [row for row in ROWS if is_wanted(row, options.names)]
    if not rows:
        print(f"no row begins with {' or '.join(options.names)}; there are", *map(name_of, ROWS))
        return 2
    print(report.heading(options.quick), flush=True)
    done = []
    with tempfile.TemporaryDirectory(prefix="endmember-bench-") as folder:
        for row in rows:
            done.append(harness.run_row(row, Path(folder), options.quick, options.rounds))
            print(report.table(done[-1]), flush=True)
            report.save(done, options.quick, RESULTS)
    print(f"\nsaved in {RESULTS}")
    return int(any(result.has_failed for result in done))


def parse(arguments):
    """Return names of rows, and how thoroughly to run them."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="run the rows whose names begin so")
    parser.add_argument("--quick", action="store_true", help="small data, two rounds")
    parser.add_argument("--rounds", type=int, help="how often everybody runs")
    return parser.parse_args(arguments)


def name_of(row):
    """Return the name of a row that is given as ``module:name``."""
    return row.partition(":")[2]


def is_wanted(row, names):
    """Whether a row is among those asked for."""
    return not names or name_of(row).startswith(tuple(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
