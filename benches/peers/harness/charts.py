"""Bar charts as SVG, written by hand: they need no more than rectangles and text."""

from html import escape

WIDTH, LABEL, ROW, TOP, BOTTOM = 720, 150, 26, 56, 14
FONT = 'font-family="system-ui, sans-serif"'
MINE, OTHER, FLOOR = "#0b7285", "#adb5bd", "#dee2e6"


def bars(title, unit, values, mine, floor="relay"):
    """`values` is (label, median, smallest, largest); a thin line shows the last two."""
    height = TOP + ROW * len(values) + BOTTOM
    most = max(value[3] for value in values) or 1
    # Room for the figure behind the longest bar.
    scale = (WIDTH - LABEL - 90) / most
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" {FONT} font-size="16" font-weight="600" fill="#212529">'
        f"{escape(title)}</text>",
        f'<text x="16" y="43" {FONT} font-size="12" fill="#495057">{escape(unit)}</text>',
    ]
    for number, (label, median, low, high) in enumerate(values):
        y = TOP + ROW * number
        colour = MINE if label == mine else FLOOR if label == floor else OTHER
        weight = "600" if label == mine else "400"
        middle = y + ROW / 2
        out += [
            f'<text x="{LABEL - 10}" y="{middle + 4}" {FONT} font-size="13" '
            f'font-weight="{weight}" text-anchor="end" fill="#212529">{escape(label)}</text>',
            f'<rect x="{LABEL}" y="{y + 4}" width="{median * scale:.1f}" height="{ROW - 8}" '
            f'rx="2" fill="{colour}"/>',
            f'<text x="{LABEL + high * scale + 8:.1f}" y="{middle + 4}" {FONT} font-size="12" '
            f'fill="#212529">{figure(median)}</text>',
        ]
        if high > low:
            out.append(f'<line x1="{LABEL + low * scale:.1f}" x2="{LABEL + high * scale:.1f}" '
                       f'y1="{middle}" y2="{middle}" stroke="#212529" stroke-width="1.5"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def figure(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
