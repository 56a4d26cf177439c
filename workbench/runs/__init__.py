"""Reading runs, their records of pairs, and starting one in the background."""
