"""The tiny GLM-4.5V twin: a synthetic world, a trainer from a seed, a snapshot writer and a scorer."""
