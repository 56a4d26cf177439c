"""Whole numbers in English words."""

SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def number_words(number: int) -> str:
    """Return a number from 0 to 999 in words, as in "one hundred and thirty-two".

    Raises:
        ValueError: the number is outside.
    """
    if not 0 <= number <= 999:
        raise ValueError(f"{number} is outside 0 to 999; a clip has at most 999 frames here.")
    if number < 20:
        return SMALL[number]
    tens, ones = divmod(number, 10)
    if number < 100:
        return TENS[tens] + (f"-{SMALL[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{SMALL[hundreds]} hundred" + (f" and {number_words(rest)}" if rest else "")
