"""Run one distributed application over many Kubernetes clusters as if it were one thing."""

from __future__ import annotations

__version__ = "0.1.0"
