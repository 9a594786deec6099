"""HTTP/1.1 on one connection: requests are answered one after the other, without a task for each."""

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote_to_bytes

import httptools

from mystira.cosmos_emulator.wire import BODY_BYTES_MAX, Request, Response
