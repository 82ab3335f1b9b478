"""The flows under the name that deployments of earlier versions are registered with."""

from __future__ import annotations

from flows.deployments import *  # noqa: F403 - whatever was registered
