"""What encoding and training must agree on."""

# The label of a position at which nothing is learned; what torch's cross_entropy ignores.
NO_LOSS = -100
