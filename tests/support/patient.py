"""HTTP calls that wait for their answers for as long as a busy machine takes to give them."""

from functools import partial
from typing import Final

import httpx

SECONDS: Final = 60.0

get = partial(httpx.get, timeout=SECONDS)
post = partial(httpx.post, timeout=SECONDS)
options = partial(httpx.options, timeout=SECONDS)
stream = partial(httpx.stream, timeout=SECONDS)
