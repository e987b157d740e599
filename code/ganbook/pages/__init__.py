"""What only a page uses: figures, animations, the playground with its scripts, and cells in two tabs."""
