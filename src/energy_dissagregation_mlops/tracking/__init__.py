"""Experiments: every training run on record in MLflow, with what went in and what came out."""

from __future__ import annotations
