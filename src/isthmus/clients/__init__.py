"""The only input and output: Kubernetes, Helm, processes and files.

Errors of libraries end here: whatever leaves this room is an `isthmus.model.errors.IsthmusError`.
Nothing is imported in this module, because the command line starts in 150 ms.
"""

from __future__ import annotations
