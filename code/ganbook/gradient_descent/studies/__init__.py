"""What chapter 3 looks at besides GANs: plain descent, games in the plane, critics, a variational autoencoder."""
