"""Where the node is reached from outside: plain values, known once its sockets are open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    domain: str
    port: int
    https: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.https else "http"

    @property
    def url(self) -> str:
        return self.at(self.domain)

    @property
    def admin_url(self) -> str:
        return self.at(f"admin.{self.domain}")

    def app_url(self, label: str) -> str:
        return self.at(f"{label}.{self.domain}")

    def at(self, host: str) -> str:
        usual = 443 if self.https else 80
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")
