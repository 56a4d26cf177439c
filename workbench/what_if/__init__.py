"""Objectives that might have been trained with, and their words."""
