"""`make mutants`: small faults are put into the code, one at a time; each must make a test fail."""
