"""The bars: ratios that sidgate set itself, and whether it keeps them. Computed, never
written by hand."""


def render(results, runs):
    return ""
