"""Addresses of the node."""

from __future__ import annotations

import pytest

from kernel.base.site import Site


@pytest.mark.parametrize(
    ("site", "url", "admin", "app"),
    [
        (Site("x.org", 80), "http://x.org", "http://admin.x.org", "http://shop.x.org"),
        (Site("x.org", 4698), "http://x.org:4698", "http://admin.x.org:4698", "http://shop.x.org:4698"),
        (Site("x.org", 443, https=True), "https://x.org", "https://admin.x.org", "https://shop.x.org"),
        (Site("x.org", 80, https=True), "https://x.org:80", "https://admin.x.org:80", "https://shop.x.org:80"),
        (Site("x.org", 443), "http://x.org:443", "http://admin.x.org:443", "http://shop.x.org:443"),
    ],
)
def test_addresses_name_a_port_only_where_it_is_unusual(site: Site, url: str, admin: str, app: str) -> None:
    assert (site.url, site.admin_url, site.app_url("shop")) == (url, admin, app)
