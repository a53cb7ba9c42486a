"""The recipe of `priors/detectors/`: how far detectors are off, from fits of real people."""
