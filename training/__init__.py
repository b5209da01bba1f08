"""The two-stage training that makes the checkpoints, and the prior before it."""
