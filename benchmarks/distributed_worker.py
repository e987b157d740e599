"""One process of several that train together: started by ``torchrun``, or beside its like with TF_CONFIG.

``python -m benchmarks.distributed_worker ENGINE JOBS FOLDER``: the engine is ``pytorch``, ``tensorflow`` (one process
per device) or ``mirrored`` (TensorFlow, two virtual devices in this process); JOBS is a JSON file, a list of objects
with ``name``, ``recipe`` and ``shared_statistics``.  Each job's run ends in FOLDER/name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ganbook.data.recipe import Recipe
from ganbook.gradient_descent import training


def main(engine: str, jobs: str, folder: str) -> None:
    """Train the jobs one after another; the first process saves them."""
    if engine == "mirrored":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    framework = "tensorflow" if engine == "mirrored" else engine
    module = training.twin("ganbook.gradient_descent.distributed", framework)
    with module.join("cpu") as team:
        for job in json.loads(Path(jobs).read_text()):
            recipe = Recipe.from_json(json.dumps(job["recipe"]))
            with team.scope():
                run = training.start_run(recipe, framework, device=team.device)
            together = module.DistributedIterations(run.state, team, job["shared_statistics"])
            for _ in training.iterate(run, run_iterations=together.run):
                pass
            if team.first:
                run.save(Path(folder) / job["name"])


if __name__ == "__main__":
    main(*sys.argv[1:])
