"""What one training step is made of: inputs, penalties, update rules, the step itself, and what it changes."""
