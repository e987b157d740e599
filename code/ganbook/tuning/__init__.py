"""Chapter 4, "Tuning": what says how good a GAN has become, and what makes it better."""
