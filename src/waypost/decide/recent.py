"""What was found of late, so that it need not be found again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Keeps the values of the last ``size`` new keys. Any thread may use it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._change = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value, if it is still here."""
        return self._values.get(key)

    def __setitem__(self, key: Key, value: Value) -> None:
        with self._change:
            self._values[key] = value
            if len(self._values) > self._size:
                self._values.popitem(last=False)
