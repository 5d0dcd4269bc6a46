"""Each family's page says what its profile says: the table of facts on it is made of the data, and compared."""

from pathlib import Path

import pytest

from transports import profiles

DOCS = Path(__file__).parents[2] / "docs"
PROFILES = profiles.load().by_name


def listed(values):
    return ", ".join(str(value) for value in values)


def shown(text):
    """A recipe's text as a person reads it: ⏎ for a return, <^C> for a control character, hexadecimal above ASCII."""
    if any(character > "\x7f" for character in text):
        return text.encode("latin-1").hex(" ").upper()
    named = {"\r": "⏎", "\x1b": "<ESC>"}
    return "".join(named.get(c, f"<^{chr(ord(c) + 64)}>" if c < " " else c) for c in text)


def recipe(steps):
    parts = []
    for step in steps:
        part = f"`{shown(step.send)}`" if step.send else ""
        if step.expect:
            otherwise = {"done": ", else it is in KISS mode already", "go on": ", else on", "fail": ""}[step.otherwise]
            part += f" then `{step.expect}` within {step.within:g} s{otherwise}"
        if step.wait:
            part += f" wait {step.wait:g} s"
        parts.append(part.strip())
    return "; ".join(parts)


def sign(one):
    vendor = (
        "" if one.vendor is None else f"USB {one.vendor:04x}:{'*' if one.product is None else f'{one.product:04x}'}"
    )
    texts = [f"`{text}`" for text in (one.serial, one.manufacturer, one.product_name, one.by_id) if text]
    return " ".join([vendor, *texts] if vendor else texts) + ("" if one.sure else " (others have it too)")


def parameters(kiss):
    units = {"txdelay": " ms", "slottime": " ms", "txtail": " ms", "persistence": "", "full_duplex": ""}
    for name, unit in units.items():
        low, high = kiss.parameters.range_of(name)
        default = getattr(kiss.parameters, name).default
        yield f"{name} {low} to {high}{unit}" + ("" if default is None else f" (as it comes: {default})")


def table(profile):
    """Give the lines of the table that the page must have."""
    line, kiss, reports = profile.line, profile.kiss, profile.reports
    can = ("version", "queue", "battery", "signal")
    rows = {
        "option `profile`": f"`{profile.name}`",
        "recognised by": "; ".join(map(sign, profile.signs)) or "nothing: choose it",
        "speed of the line": f"{line.baud} Bd" + (f", of {listed(line.bauds)}" if line.bauds else ""),
        "after the port was opened": f"wait {line.settle:g} s" if line.settle else "at once",
        "between two frames": f"{line.frame_gap:g} s at least" if line.frame_gap else "nothing",
        "into KISS mode": recipe(profile.enter.steps) if profile.enter else "it is sent no text",
        "out of it": recipe(profile.leave.steps) if profile.leave else "nothing",
        "radio ports": str(kiss.ports),
        "the letter C": "escaped as `DB 43`" if kiss.escape_c else "as it is",
        "checksums": listed(kiss.checksums),
        "tells when a frame has left": "yes (ACKMODE)" if kiss.ackmode else "no",
        "parameters": "; ".join(parameters(kiss)),
        "by SETHW": "; ".join(f"{one.name}: `{one.bytes}`" for one in profile.hardware) or "nothing known",
        "can report": listed(name for name in can if getattr(reports, name)) or "nothing",
    }
    sources = {
        "line": line.source,
        "KISS": kiss.source,
        "entering": profile.enter.source if profile.enter else "",
        "leaving": profile.leave.source if profile.leave else "",
        "reports": reports.source,
        **{f"sign {sign(one)}": one.source for one in profile.signs},
        **{f"SETHW, {one.name}": one.source for one in profile.hardware},
    }
    facts = [f"| {name} | {value} |" for name, value in rows.items()]
    cited = [f"| {name} | {source} |" for name, source in sources.items() if source]
    return "\n".join(["| fact | value |", "|---|---|", *facts, "", "| fact | source |", "|---|---|", *cited])


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_has_a_page_with_its_facts(name):
    page = (DOCS / "tnc" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {PROFILES[name].label}\n")
    assert PROFILES[name].help in " ".join(page.split())
    assert table(PROFILES[name]) in page, f"the page's tables should be:\n\n{table(PROFILES[name])}"


def test_each_page_is_of_a_profile_and_in_the_index():
    index = (DOCS / "tnc" / "index.md").read_text(encoding="utf-8")
    pages = {page.stem for page in (DOCS / "tnc").glob("*.md")} - {"index"}
    assert pages == PROFILES.keys()
    for name, profile in PROFILES.items():
        assert f"| [{profile.label}]({name}.md) | `{name}` |" in index
