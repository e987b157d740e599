"""``make bench``, or ``python -m benchmarks [table ...]``: print what is timed, as ratios."""

from __future__ import annotations

import argparse
from pathlib import Path

TABLES = (
    "steps",
    "programs",
    "compiled",
    "neighbour",
    "quality",
    "features",
    "search_workers",
    "step_costs",
    "mixed_precision",
    "distributed",
)


def main() -> None:
    """Print the tables asked for, all by default."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="table", default=list(TABLES), help=f"of {', '.join(TABLES)}")
    parser.add_argument("--rounds", type=int, default=15, help="times that each side is timed, in turn")
    parser.add_argument("--minutes", type=float, default=15.0, help="training time of the plain DCGAN in 'quality'")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the results of the tables that pages show, such as results, beside printing them",
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tables) - set(TABLES))
    if unknown or arguments.rounds < 1 or arguments.minutes <= 0:
        parser.error(
            f"tables {unknown}, rounds {arguments.rounds}, minutes {arguments.minutes}; accepted: tables "
            f"{', '.join(TABLES)}, rounds of at least 1, minutes above 0"
        )
    for table in arguments.tables:
        if table == "steps":
            from benchmarks import steps

            steps.main(arguments.rounds)
        elif table == "programs":
            from benchmarks import programs

            programs.main(arguments.rounds)
        elif table == "compiled":
            from benchmarks import compiled

            compiled.main(arguments.rounds, arguments.out)
        elif table == "neighbour":
            from benchmarks import neighbour

            neighbour.main(arguments.rounds, arguments.out)
        elif table == "quality":
            from benchmarks import quality

            quality.main(arguments.minutes)
        elif table == "features":
            from benchmarks import features

            features.main(arguments.rounds)
        elif table == "search_workers":
            from benchmarks import search_workers

            search_workers.main(arguments.rounds, arguments.out)
        elif table == "step_costs":
            from benchmarks import step_costs

            step_costs.main(arguments.rounds, arguments.out)
        elif table == "mixed_precision":
            from benchmarks import mixed_precision

            mixed_precision.main(arguments.rounds, arguments.out)
        else:
            from benchmarks import distributed

            distributed.main(arguments.out)


if __name__ == "__main__":
    main()
