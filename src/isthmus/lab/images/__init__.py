"""The container images of the lab's network profile, assembled here from local files.

`store` is the way in: it gives nodes a containerd root that already holds them all. `catalog` says what
they are called and hold, `charts` where the charts are that ask for them. Nothing is pulled from a registry.
"""
