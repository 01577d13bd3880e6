"""Renders hostile templates, each under a limit of CPU, all under one of memory.

Run as a program, so that a render that can't be interrupted ends with the process. It prints
each template before it renders it, and `done` after the last. Its argument is the step between
the calls that are tried: 1 tries all, in a minute or two.
"""

import json
import resource
import signal
import sys

from shared import errors
from shared.templates import earlier
from shared.templates.job import StepJob, render_step
from shared.templates.sizes import FILTER_SIZES, MAX_RENDERED, METHOD_SIZES, OWN_FILTER_SIZES
from shared.templates.template_rules import PRESENT

CPU_SECONDS = 2.0  # of one render, whose own limit is a twentieth of it
# Of what is interrupted; the rest is what can't be.
LIMIT_SECONDS = 0.1
MEMORY_BYTES = 400 << 20  # more than the program has when it begins

TEXTS = {
    "flat": "a" * 250_000,
    "hyphens": "a-" * 125_000,
    "dashes": "-" * 250_000,
    "lines": "\n" * 250_000,
    "tabs": "\t" * 250_000,
    "comments": "<!---->" * 35_000,
    "tags": "<a" * 125_000,
    "links": "http://a.bc " * 20_000,
    "brackets": "(" * 250_000,
    "entities": "&amp;" * 50_000,
    "hex": "f" * 250_000,
    "wide": "\U0001f600" * 60_000,
    "closed": ")" * 240_000 + "a)",
    "escaped": "&gt;" * 60_000 + "a)",
}
SAME_HASH = 2**61 - 1  # numbers that differ by it
NAMES = {
    "inputs": {
        **TEXTS,
        "numbers": list(range(100_000)),
        "words": ["word"] * 30_000,
        "lists": [[1]] * 40_000,
        "pairs": [{"a": n % 7, "b": "x"} for n in range(9_000)],
        "table": {str(n): n for n in range(20_000)},
    }
}
VALUES = [f"inputs.{name}" for name in NAMES["inputs"]]
VALUES += [
    "'a' * 1000000",
    "'%' * 1000000",
    "range(100000)",
    "range(100000) | map('string')",
    "2 ** 65000",
    "1.5",
]
ARGUMENTS = [
    "",
    "10 ** 9",
    "-(10 ** 9)",
    "1",
    "inputs.flat",
    "'', inputs.flat",
    "'a', inputs.flat",
    "1, inputs.flat",
    "1, true, inputs.flat",
    "10 ** 9, inputs.flat",
    "10 ** 9, 'ceil'",
    "inputs.words",
    "attribute='a'",
    "start=[]",
    "indent=100000",
    "target=inputs.flat, rel=inputs.flat",
    "'replace', 'a', inputs.flat",
    "'(a?){200}a{200}', 'x'",
    "'a(.*b)?', inputs.flat",
    "'center', 1000000",
    "inputs",
]
FILTERS = (*FILTER_SIZES, *OWN_FILTER_SIZES)
# Searched in texts of the same letters.
NEEDLES = ["'ab' ~ inputs.flat", "inputs.flat ~ 'ba'", "inputs.flat ~ 'b' ~ inputs.flat"]
EXPRESSIONS = [
    "'%*d' % (10 ** 9, 1)",
    "'%.*f' % (10 ** 9, 1.5)",
    "'%999999999d' % 1",
    "'%00000000000000000099999999999d' % 1",
    "('%999999d' * 9999) % inputs.numbers",
    "('%(flat)s' * 9999) % inputs",
    "('%(a(b))999999999d') % {'a(b)': 1}",
    "'{:>999999999}'.format(1)",
    "'{:>{}}'.format(1, 999999999)",
    "'{:>00000000000000000099999999999}'.format(1)",
    "('{0}' * 9999).format(inputs.flat)",
    "('{flat}' * 9999).format_map(inputs)",
    "'{0!r:>999999999}'.format(inputs)",
    "[inputs.flat] * 99999",
    "([inputs.flat] * 999) | join",
    "(inputs.flat ~ inputs.flat ~ inputs.flat ~ inputs.flat ~ inputs.flat) ~ 'a'",
    "[[inputs.flat, inputs.flat, inputs.flat, inputs.flat, inputs.flat]] | string",
    "10 ** 10 ** 9",
    "(2 ** 65000) ** 65000",
    "(2 ** 65000) * (2 ** 65000) * (2 ** 65000)",
    "('f' * 1000000) | int(0, 16) // 3",
    "7 .to_bytes(10 ** 9, 'big')",
    "'a'.encode() * 10 ** 9",
    "inputs.flat.encode('punycode')",
    "dict.fromkeys(range(99999), inputs.flat)",
    "dict(inputs, a=inputs.flat, b=inputs.flat, c=inputs.flat, d=inputs.flat)",
    "range(10 ** 18)",
    "inputs.flat.strip(inputs.hyphens)",
    "inputs.flat in inputs.hyphens",
    "inputs | tojson(indent=10 ** 9)",
    "inputs.lists | sum(start=[])",
    "inputs.lists | map('list') | sum(start=[])",
    "inputs.words | map('center', 1000) | join",
    "inputs.words | map('replace', '', inputs.flat) | list",
    "inputs.words | batch(1, inputs.flat) | list",
    "inputs.words | sort | unique | list | groupby(0)",
    "inputs.numbers == (inputs.numbers | list)",
    "('%' * 250000) % ()",
    "('%%' * 125000) % ()",
    "('%*d' * 60000) % ((1,) * 120000)",
    "('%*d' * 9999) % ((1,) * 19998)",
    "('%f' * 60000) % ((1e308,) * 60000)",
    "('%d' * 9999) % ((1e308,) * 9999)",
    "('{:f}' * 40000).format(*[1e308] * 40000)",
    "[2 ** 14000] * 200000",
    "([2 ** 14000] * 200000) | join",
    "([2 ** 14000] * 200000) | tojson",
    "inputs.flat.translate([inputs.words | join] * 98)",
    "inputs.flat.translate([inputs.words[:2000] | join] * 98)",
    f"dict(range(0, 100000 * {SAME_HASH}, {SAME_HASH}) | batch(2) | list)",
    f"range(0, 100000 * {SAME_HASH}, {SAME_HASH}) | unique | list",
    "((inputs.words | batch(2) | list) * 4) | sort",
    "('ab' ~ inputs.flat) in (inputs.flat ~ inputs.flat)",
    "(inputs.flat ~ inputs.flat) is in ('ab' ~ inputs.flat)",
    "(inputs.flat ~ inputs.flat) | replace('ab' ~ inputs.flat, '')",
]
BLOCKS = [
    "{% for a in range(9999) %}{% for b in range(9999) %}{{ inputs.flat }}{% endfor %}{% endfor %}",
    "{% set x %}{% for a in range(99999) %}{{ inputs.flat }}{% endfor %}{% endset %}{{ x }}",
    "{% set x %}{% for a in range(99999) %}" + "text" * 1_500 + "{% endfor %}{% endset %}{{ x }}",
    "{% filter upper %}{% for a in range(99999) %}{{ inputs.flat }}{% endfor %}{% endfilter %}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 200 + "{{ x }}",
    "{% set x = (1.5,) %}{% set y = (1.5,) %}"
    + "{% set x = (x, x) %}{% set y = (y, y) %}" * 90
    + "{{ x == y }}",
    "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 200 + "{{ {x: 1} }}",
    "{% set x = 'a' %}" + "{% set x = x ~ x %}" * 200 + "{{ x }}",
    "{% set x = 'a' %}" + "{% set x = x + x %}" * 200 + "{{ x }}",
    "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 120 + "{{ x | tojson }}",
    "{% for x in [[1]] recursive %}{{ loop([[1], [1]]) }}{% endfor %}",
    "{% set x = [1] %}{% set y = [2] %}"
    + "{% set x = [x] %}{% set y = [y] %}" * 60
    + "{{ ([x, y] * 200) | sort }}",
    "{% set x = [1] %}" + "{% set x = [x] %}" * 200 + "{{ x }}",
    "{% autoescape true %}{{ '&' * 999999 }}{% endautoescape %}",
    "{% autoescape 'a' * 400000000 %}{{ 1 }}{% endautoescape %}",
]


def build_sources(step: int) -> list[str]:
    """Returns every hostile expression, search and block, and every `step`th call."""
    calls = [f"({value}) | {name}" for name in FILTERS for value in VALUES]
    calls += [
        f"({value}) | {name}({given})"
        for name in FILTERS
        for value in ("inputs.flat", "inputs.words")
        for given in ARGUMENTS
    ]
    calls += [f"inputs.lines.{name}({given})" for name in METHOD_SIZES for given in ARGUMENTS]
    searches = [
        f"(inputs.flat ~ inputs.flat).{name}({needle})"
        for name in METHOD_SIZES
        for needle in NEEDLES
    ]
    tried = (*EXPRESSIONS, *searches, *calls[::step])
    return [f"{{{{ {one} }}}}" for one in tried] + BLOCKS


def render(source: str) -> object:
    job: StepJob = {
        "rules": PRESENT,
        "when": None,
        "config": {"value": source},
        "schema": {},
        "cut": {},
        "names": NAMES,
        "outputs": {},
        "hyphenated": [],
    }
    outcome = render_step(job, seconds=LIMIT_SECONDS)
    return outcome.get("config")


def render_earlier(source: str) -> object:
    try:
        return earlier.render(source, NAMES, seconds=LIMIT_SECONDS)
    except errors.RotaError:
        return None


def main() -> None:
    render("{{ [1] | list }}")
    render_earlier("{{ [1] | list }}")
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (held + MEMORY_BYTES, held + MEMORY_BYTES))
    for number, source in enumerate(build_sources(int(sys.argv[1]))):
        # The earlier rendering stays as it is: every other source is enough.
        for way in (render, render_earlier)[: 2 - number % 2]:
            print(way.__name__, source[:200], flush=True)
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)  # its signal ends the process
            try:
                found = way(source)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if len(json.dumps(found)) > 2 * MAX_RENDERED:
                sys.exit("renders too much")
    print("done")


if __name__ == "__main__":
    main()
