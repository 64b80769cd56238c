"""Compares balanced k-means with the k-means-constrained package.

  compare_kmeans.py CLUSTER [--points FILE] [--num_points 8192] [--jitter 0.4]
                    [--clusters 8] [--n_init 16] [--threads 1] [--seeds 3]

CLUSTER is //tools/gates:cluster, built with optimisation. FILE is a safetensors
file whose F32 tensors [n, h] are clustered one after another; without it,
drawn points [num_points, 576] are. Both programs get the same points, size
bounds, restarts, iterations, tolerance and threads, for each of several seeds.
The bars, for the median over the seeds: an inertia of at most 1.001 times
theirs, and 30 times their speed.

Needs numpy, scipy, safetensors and k-means-constrained: compare_kmeans.sh sees to
that.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Iterator

import k_means_constrained
import numpy as np
import safetensors.numpy
import threadpoolctl

MAX_INERTIA_RATIO = 1.001
MIN_SPEED_RATIO = 30.0
MAX_ITERATIONS = 100
TOLERANCE = 1e-3  # A share of the mean variance of a feature, as ours.


@dataclasses.dataclass(frozen=True)
class Run:
    """What one program found; centroids are [clusters, features]."""

    inertia: float
    seconds: float
    sizes: list[int]
    centroids: np.ndarray


def drawn_points(num_points: int, num_features: int) -> np.ndarray:
    """Points about twelve centres of different weight, F32."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(12, num_features))
    weights = np.arange(1, 13) / 78
    blobs = rng.choice(12, size=num_points, p=weights)
    return (centres[blobs] + rng.normal(size=(num_points, num_features))).astype(
        np.float32
    )


def size_bounds(options: argparse.Namespace, num_points: int) -> tuple[int, int]:
    """The bounds of methods with a jitter: floor and ceiling of the even share."""
    even = num_points / options.clusters
    return (
        max(0, math.floor(even * (1 - options.jitter) + 1e-9)),
        min(num_points, math.ceil(even * (1 + options.jitter) - 1e-9)),
    )


def run_ours(path: str, options: argparse.Namespace, seed: int) -> Run:
    """Runs CLUSTER; its seconds are without reading the points."""
    text = (
        f"num_experts: {options.clusters} balance_jitter_factor: {options.jitter} "
        f"n_init: {options.n_init} max_iter: {MAX_ITERATIONS} seed: {seed}"
    )
    output = subprocess.run(
        [options.cluster, path, text],
        check=True,
        capture_output=True,
        env={**os.environ, "MOE_NUM_THREADS": str(options.threads)},
    ).stdout
    report = json.loads(output)
    return Run(
        report["inertia"],
        report["seconds"],
        report["sizes"],
        np.array(report["centroids"]),
    )


def run_theirs(points: np.ndarray, options: argparse.Namespace, seed: int) -> Run:
    """Runs the package."""
    least, most = size_bounds(options, len(points))
    # Its restarts run in so many processes, and NumPy must not add threads.
    with threadpoolctl.threadpool_limits(1):
        start = time.perf_counter()
        model = k_means_constrained.KMeansConstrained(
            n_clusters=options.clusters,
            size_min=least,
            size_max=most,
            n_init=options.n_init,
            max_iter=MAX_ITERATIONS,
            tol=TOLERANCE,
            random_state=seed,
            n_jobs=options.threads,
        ).fit(points)
    seconds = time.perf_counter() - start
    sizes = np.bincount(model.labels_, minlength=options.clusters)
    return Run(
        assigned_inertia(points, model.cluster_centers_, model.labels_),
        seconds,
        sizes.tolist(),
        model.cluster_centers_,
    )


def assigned_inertia(
    points: np.ndarray, centroids: np.ndarray, labels: np.ndarray
) -> float:
    """The sum of squared distances, in float64."""
    return float(((points.astype(np.float64) - centroids[labels]) ** 2).sum())


def nearest_inertia(points: np.ndarray, centroids: np.ndarray) -> float:
    """The same without bounds on sizes, which is never more."""
    x = points.astype(np.float64)
    distances = (
        (x**2).sum(1)[:, None] - 2 * x @ centroids.T + (centroids**2).sum(1)[None]
    )
    return float(distances.min(1).sum())


def check_ours(
    run: Run, points: np.ndarray, options: argparse.Namespace
) -> Iterator[str]:
    """What is wrong with our figures by themselves."""
    least, most = size_bounds(options, len(points))
    if sum(run.sizes) != len(points):
        yield f"sizes sum to {sum(run.sizes)}, not to {len(points)}"
    if min(run.sizes) < least or max(run.sizes) > most:
        yield f"sizes {run.sizes} are not within {least} to {most}"
    if run.inertia < nearest_inertia(points, run.centroids) * (1 - 1e-6):
        yield f"inertia {run.inertia} is less than that of the nearest centroids"


def compare(name: str, points: np.ndarray, options: argparse.Namespace) -> bool:
    """Prints both sides' figures; whether the bars are met."""
    problems, inertias, speeds = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        path = str(pathlib.Path(directory, "points.safetensors"))
        safetensors.numpy.save_file({"points": points}, path)
        for seed in range(options.seeds):
            ours = run_ours(path, options, seed)
            theirs = run_theirs(points, options, seed)
            problems.extend(check_ours(ours, points, options))
            inertias.append(ours.inertia / theirs.inertia)
            speeds.append(theirs.seconds / ours.seconds)
            print(
                f"{name}, seed {seed}: inertia {ours.inertia:.7g} and theirs "
                f"{theirs.inertia:.7g}, ratio {inertias[-1]:.5f}; {ours.seconds:.3f} s "
                f"and theirs {theirs.seconds:.1f} s, ratio {speeds[-1]:.0f}",
                flush=True,
            )
    inertia, speed = statistics.median(inertias), statistics.median(speeds)
    if not inertia <= MAX_INERTIA_RATIO:
        problems.append(f"inertia ratio {inertia:.5f}, at most {MAX_INERTIA_RATIO}")
    if not speed >= MIN_SPEED_RATIO:
        problems.append(f"speed ratio {speed:.1f}, at least {MIN_SPEED_RATIO}")
    print(f"{name}: median inertia ratio {inertia:.5f}, speed ratio {speed:.0f}")
    for problem in problems:
        print(f"{name}: NOT MET: {problem}")
    return not problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cluster")
    parser.add_argument("--points")
    parser.add_argument("--num_points", type=int, default=8192)
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--jitter", type=float, default=0.4)
    parser.add_argument("--n_init", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.points is None:
        cases = {"drawn": drawn_points(options.num_points, 576)}
    else:
        cases = safetensors.numpy.load_file(options.points)
    # Not all(): every case is run.
    met = [compare(name, points, options) for name, points in sorted(cases.items())]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
