"""The flows under the names that deployments of version 0.1 are registered with."""

from __future__ import annotations

from flows.deployments import catalog_videos, reconcile_account
from flows.deployments import join_run as help_out

__all__ = ["catalog_videos", "help_out", "reconcile_account"]
