"""Drawings that several trainings share."""
