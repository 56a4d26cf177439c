"""Check that a setting lies within its range."""

SEEDS = (-(2**63), 2**64 - 1)
"""What torch takes for a seed: any whole number of 64 bits, with a sign or without."""


def seed_of_32_bits(number: int) -> int:
    """Return a seed for generators that take 32 bits: such numbers as they are, others folded."""
    return (number ^ (number >> 32)) % 2**32


def check_range(name: str, value: float | int, low: float | int, high: float | int) -> None:
    """Raise ValueError unless low <= value <= high, naming the setting, its value and the range."""
    if not low <= value <= high:
        raise ValueError(f"{name} = {value} is outside [{low:g}, {high:g}].")
