"""What programs ask before they use a graphics card: there is none here. As torch.cuda on such a machine."""


def is_available() -> bool:
    """False.

    Example:
      >>> import loopnest
      >>> loopnest.device("cuda" if loopnest.cuda.is_available() else "cpu")
      'cpu'
    """
    return False


def device_count() -> int:
    """0.

    Example:
      >>> import loopnest
      >>> loopnest.cuda.device_count()
      0
    """
    return 0


def manual_seed(seed: int) -> None:
    """Does nothing: there is no generator to seed. loopnest.manual_seed is for the one that there is.

    Example:
      >>> import loopnest
      >>> loopnest.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Does nothing, as manual_seed.

    Example:
      >>> import loopnest
      >>> loopnest.cuda.manual_seed_all(0)
    """


def empty_cache() -> None:
    """Does nothing: there is no memory to give back.

    Example:
      >>> import loopnest
      >>> loopnest.cuda.empty_cache()
    """
