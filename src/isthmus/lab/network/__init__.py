"""Nodes as network namespaces with a real kubelet and containerd: the profile `network`, on Linux as root.

Nothing of the plan's addresses shows on the host: every region, control plane and node is a network
namespace, and the host has one link to each control plane. What is made is named in `layout` before it is
made, so that it is found and removed after a kill.
"""
