"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy as Cilium 1.15 to 1.20 read them.

Facts are from the source of Cilium 1.15.6, 1.16.0, 1.17.0, 1.18.0, 1.19.0 and 1.20.2; paths in comments are
inside it, of 1.20.2 where no version is named.
"""
