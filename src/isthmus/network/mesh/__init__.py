"""What Cilium ClusterMesh and Istio refuse or do badly."""
