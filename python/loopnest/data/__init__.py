"""Data sets. Nothing is read or imported before it is asked for."""

from loopnest.data.digits import Digits, digits

__all__ = ["Digits", "digits"]
