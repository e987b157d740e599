"""What says how good a GAN has become: distances, neighbourhoods, modes, and the digit classifier they look through."""
