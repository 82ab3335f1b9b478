"""Each step is a Prefect task of its own, so that a person can filter, time and limit it."""

from __future__ import annotations

from flows.pipeline.runner import Step
from flows.prefect_support.tasks import TASKS


def test_each_step_has_a_task_with_its_name_key_and_tag():
    assert set(TASKS) == set(Step)
    for step, task in TASKS.items():
        assert task.name == step.value
        assert task.task_key.startswith(f"{step.value}-")
        assert task.tags == {step.value}
    assert len({task.task_key for task in TASKS.values()}) == len(Step)
