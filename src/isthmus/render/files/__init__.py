"""Files that others read: values, manifests, scripts, variables."""
