"""What follows the forward in a training step."""
