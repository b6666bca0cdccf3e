"""The controls: what a verifier is to refuse, and why."""


def expect(why, read, *args, **rules):
    try:
        read(*args, **rules)
    except why:
        return
    raise AssertionError(f"{why.__name__} was expected")
