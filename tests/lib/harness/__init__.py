"""What the black-box tests share: a broker of their own, a recording upstream, a workload, the oracles."""
