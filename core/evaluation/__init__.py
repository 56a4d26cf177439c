"""Scoring a checkpoint honestly: ties by expectation, intervals on every number, every item encoded once."""
