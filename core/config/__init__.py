"""The settings of a training run: typed, documented, checked; and the command line and recipes that give them."""
