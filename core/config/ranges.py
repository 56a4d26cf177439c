"""Check that a setting lies within its range."""


def check_range(name: str, value: float | int, low: float | int, high: float | int) -> None:
    """Raise ValueError unless low <= value <= high, naming the setting, its value and the range."""
    if not low <= value <= high:
        raise ValueError(f"{name} = {value} is outside [{low:g}, {high:g}].")
