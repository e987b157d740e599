"""The search for better settings: what varies, how it is scored, and where the trials are kept."""
