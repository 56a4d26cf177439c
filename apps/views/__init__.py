"""The explorer's views, one question each."""
