"""HTTP calls that wait for their answers for as long as a busy machine takes to give them."""

from functools import partial
from typing import Final

import httpx2

SECONDS: Final = 60.0

get = partial(httpx2.get, timeout=SECONDS)
post = partial(httpx2.post, timeout=SECONDS)
options = partial(httpx2.options, timeout=SECONDS)
stream = partial(httpx2.stream, timeout=SECONDS)
