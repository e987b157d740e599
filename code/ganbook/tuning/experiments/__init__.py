"""Tables of many runs, the book's programs at full length, and the recipes that they begin with."""
