"""Draws results.svg: a panel for each work one asks about first, a bar for each library."""

import os
from html import escape

from prepare import BENCH
from report import amount

# Start of a row's work, the panel's title, and how to read its bars.
PANELS = [
    (
        "GSO senders, 16 flows",
        "Delivered to Python, senders that use GSO",
        "datagrams a second, longer is better",
    ),
    (
        "100,000/s offered, one busy Python thread: delivered",
        "Kept of 100,000/s beside a busy Python thread",
        "share of datagrams, longer is better",
    ),
    (
        "dispatch_many to one destination",
        "Sent from Python to one destination",
        "datagrams a second, longer is better",
    ),
    (
        "distinct datagrams, flat out",
        "Interpreter time for one received datagram",
        "processor time, shorter is better",
    ),
    (
        "echo in Python with pyed, one in flight",
        "Echoes over TCP in Python, 64 connections",
        "a second of the server's processor time, longer is better",
    ),
    (
        "echo in C, one in flight",
        "Echoes over TCP in C, 64 connections",
        "a second of the server's processor time, longer is better",
    ),
]

WIDTH = 900
COLUMNS = 2
MARGIN = 24
GAP = 20
BAR = 16
STEP = 25
HEAD = 62  # from a panel's top to its first bar
NAME = 88  # of a panel's width, for the names
VALUE = 86  # of a panel's width, for the numbers

# A background of its own keeps the chart readable on any page; the page's preference chooses which.
STYLE = """
  .page { fill: #ffffff; } .panel { fill: #f6f8fa; } .track { fill: #e6eaef; }
  .ours { fill: #1f6feb; } .peer { fill: #9aa4b1; }
  text { font-family: -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 14px; font-weight: 600; } .note { font-size: 11px; fill: #59636e; }
  .name { font-size: 12px; text-anchor: end; } .value { font-size: 12px; }
  .strong { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } .panel { fill: #161b22; } .track { fill: #252c35; }
    .ours { fill: #4493f8; } .peer { fill: #6e7986; }
    text { fill: #e6edf3; } .note { fill: #9198a1; }
  }
"""


def write(rows, machine):
    drawn = [(row, title, note) for start, title, note in PANELS for row in first(rows, start)]
    with open(os.path.join(BENCH, "results.svg"), "w") as file:
        file.write(svg(drawn, machine))


def first(rows, start):
    """The first row of a work that was measured, in a list; none when it could not be."""
    return [row for row in rows if row.work.startswith(start) and row.ours is not None][:1]


def svg(drawn, machine):
    width = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
    height = HEAD + STEP * max((1 + len(row.peers) for row, _, _ in drawn), default=1) + 8
    lines = -(-len(drawn) // COLUMNS)
    total = 2 * MARGIN + lines * (height + GAP) + 4
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"'
        ' role="img" aria-label="pyhelpers beside other libraries">' % (WIDTH, total, WIDTH, total),
        "<style>%s</style>" % STYLE,
        '<rect class="page" width="%d" height="%d" rx="8"/>' % (WIDTH, total),
    ]
    for index, (row, title, note) in enumerate(drawn):
        line, column = divmod(index, COLUMNS)
        x = MARGIN + column * (width + GAP)
        y = MARGIN + line * (height + GAP)
        parts.append(panel(row, title, note, x, y, width, height))
    parts.append(text("note", MARGIN, total - MARGIN + 4, machine))
    return "\n".join(parts + ["</svg>", ""])


def panel(row, title, note, x, y, width, height):
    bars = [("pyhelpers", row.ours)] + [pair for pair in row.peers.items() if pair[1] is not None]
    longest = max(value for _, value in bars) or 1
    room = width - NAME - VALUE
    parts = [
        '<rect class="panel" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6"/>'
        % (x, y, width, height),
        text("title", x + 16, y + 26, title),
        text("note", x + 16, y + 44, note),
    ]
    for index, (name, value) in enumerate(bars):
        top = y + HEAD + index * STEP
        strong = " strong" if index == 0 else ""
        parts += [
            text("name" + strong, x + NAME, top + 12, name),
            bar("track", x + NAME + 10, top, room),
            bar("peer" if index else "ours", x + NAME + 10, top, max(2, room * value / longest)),
            text("value" + strong, x + NAME + room + 18, top + 12, amount(value, row.unit)),
        ]
    return "\n".join(parts)


def bar(kind, x, y, length):
    return '<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d" rx="3"/>' % (
        kind,
        x,
        y,
        length,
        BAR,
    )


def text(kind, x, y, words):
    return '<text class="%s" x="%.1f" y="%.1f">%s</text>' % (kind, x, y, escape(words))
