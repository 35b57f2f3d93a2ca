"""The firewall matrix as people and tools take it: tables, nftables, Terraform, a page for each team."""
