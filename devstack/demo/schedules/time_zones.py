"""City → IANA time zone, for well-known cities."""

import re
from functools import cache
from zoneinfo import available_timezones

CITIES = {
    "amsterdam": "Europe/Amsterdam",
    "athens": "Europe/Athens",
    "auckland": "Pacific/Auckland",
    "bangkok": "Asia/Bangkok",
    "barcelona": "Europe/Madrid",
    "beijing": "Asia/Shanghai",
    "berlin": "Europe/Berlin",
    "bogota": "America/Bogota",
    "boston": "America/New_York",
    "brussels": "Europe/Brussels",
    "buenos aires": "America/Argentina/Buenos_Aires",
    "cairo": "Africa/Cairo",
    "cape town": "Africa/Johannesburg",
    "chicago": "America/Chicago",
    "copenhagen": "Europe/Copenhagen",
    "delhi": "Asia/Kolkata",
    "denver": "America/Denver",
    "dubai": "Asia/Dubai",
    "dublin": "Europe/Dublin",
    "frankfurt": "Europe/Berlin",
    "geneva": "Europe/Zurich",
    "helsinki": "Europe/Helsinki",
    "hong kong": "Asia/Hong_Kong",
    "honolulu": "Pacific/Honolulu",
    "istanbul": "Europe/Istanbul",
    "jakarta": "Asia/Jakarta",
    "johannesburg": "Africa/Johannesburg",
    "karachi": "Asia/Karachi",
    "kathmandu": "Asia/Kathmandu",
    "kyiv": "Europe/Kyiv",
    "lagos": "Africa/Lagos",
    "lima": "America/Lima",
    "lisbon": "Europe/Lisbon",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "lyon": "Europe/Paris",
    "madrid": "Europe/Madrid",
    "melbourne": "Australia/Melbourne",
    "mexico city": "America/Mexico_City",
    "miami": "America/New_York",
    "milan": "Europe/Rome",
    "montreal": "America/Toronto",
    "moscow": "Europe/Moscow",
    "mumbai": "Asia/Kolkata",
    "munich": "Europe/Berlin",
    "nairobi": "Africa/Nairobi",
    "new york": "America/New_York",
    "nyc": "America/New_York",
    "oslo": "Europe/Oslo",
    "paris": "Europe/Paris",
    "prague": "Europe/Prague",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "santiago": "America/Santiago",
    "sao paulo": "America/Sao_Paulo",
    "seattle": "America/Los_Angeles",
    "seoul": "Asia/Seoul",
    "shanghai": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "stockholm": "Europe/Stockholm",
    "sydney": "Australia/Sydney",
    "tehran": "Asia/Tehran",
    "tel aviv": "Asia/Jerusalem",
    "tokyo": "Asia/Tokyo",
    "toronto": "America/Toronto",
    "vancouver": "America/Vancouver",
    "vienna": "Europe/Vienna",
    "warsaw": "Europe/Warsaw",
    "washington": "America/New_York",
    "zurich": "Europe/Zurich",
    "utc": "UTC",
    "gmt": "UTC",
}
_CITY = "|".join(re.escape(city) for city in sorted(CITIES, key=len, reverse=True))
_IANA = r"(?-i:[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_+-]+){1,2})"
# Where the time was cut out of a sentence; a place right after it says the zone of that time.
CUT = "¤"
_PLACES = [
    re.compile(rf"[\s,(]*(?:\bin\s+)?({_IANA})(?:\s+time)?\)?", re.I),
    re.compile(rf"[\s,(]*(?:\bin\s+)?\b({_CITY})\s+time\b\)?", re.I),
    re.compile(rf"(?<={CUT})[\s,(]*in\s+({_CITY})\b\)?", re.I),
    re.compile(rf"(?<={CUT})[\s,(]*(utc|gmt)\b(?!\s*[+-]\d)\)?", re.I),
    re.compile(rf"^\s*in\s+({_CITY})\b", re.I),
]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def extract_zone(text: str) -> tuple[str | None, str]:
    """Returns the time zone in a sentence, and the sentence without it.

    A place that belongs to the task ("the weather in Paris") is no time zone.
    """
    for pattern in _PLACES:
        for found in pattern.finditer(text):
            place = found[1]
            zone = CITIES.get(place.lower(), place)
            if zone not in _zones():
                continue  # "Sales/Marketing" is in the task
            return zone, text[: found.start()] + CUT + text[found.end() :]
    return None, text
