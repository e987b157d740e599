"""Tools that keep the book: its notebooks, its Colab cell and its public home."""
