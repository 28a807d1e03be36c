"""What a model is called with: from what the user wrote to arguments of its forward."""
