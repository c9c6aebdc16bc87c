"""Tables that rename the keys of published checkpoints to this package's modules."""
