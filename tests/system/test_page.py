"""The dashboard's files as they are served; what they do is tests/browser's."""

import gzip
import re

import pytest


@pytest.fixture
def m(muster):
    return muster()


def parts_of(m):
    return re.findall(r'(?:src|href)="(/assets/[^"]+)"', m.get("/").text)


def test_its_parts_have_names_that_change_with_their_bytes_and_are_kept_for_ever(m):
    parts = parts_of(m)
    assert len(parts) == 2
    for part in parts:
        assert re.fullmatch(r"/assets/app-[0-9a-f]{12}\.(js|css)", part)
        answer = m.get(part)
        assert answer.status == 200 and "immutable" in answer.headers["Cache-Control"]
    assert m.get("/").headers["Cache-Control"] == "no-cache"


def test_who_has_it_is_told_so(m):
    for path in ["/", *parts_of(m)]:
        tag = m.get(path).headers["ETag"]
        again = m.get(path, **{"If-None-Match": tag})
        assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag
        assert m.get(path, **{"If-None-Match": '"another"'}).status == 200


def test_it_is_served_as_gzip_to_who_takes_it_and_is_small(m):
    total = 0
    for path in ["/", *parts_of(m)]:
        plain = m.get(path)
        packed = m.get(path, **{"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        total += len(packed.body)
    assert total <= 120 * 1024


def test_nothing_inline_runs_and_nobody_else_is_asked(m):
    page = m.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "connect-src 'self'" in policy
    assert "<style" not in page.text and not re.search(r"<script(?![^>]*src=)", page.text)


def test_a_part_of_another_version_is_not_there(m):
    assert m.get("/assets/app-000000000000.js").status == 404
