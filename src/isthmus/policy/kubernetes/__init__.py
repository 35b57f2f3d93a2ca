"""Kubernetes' own policies to rules: NetworkPolicy, ClusterNetworkPolicy, and the Admin kinds before it."""
