"""Shortener under load: 97 % redirects with Zipf popularity, 2 % creates, 1 % statistics."""

import uuid
from collections.abc import Mapping
from typing import ClassVar

from loadtests.harness import OpenUser
from loadtests.http import Http, Unexpected
from loadtests.popularity import Zipf
from loadtests.target import Target

TAG = "loadtest"
LINKS = 1_000
PAGE = 100
REDIRECTS = (301, 302, 307, 308)


class ShortenerUser(OpenUser):
    """The links are made once and found again by their tag, so repeated runs do not pile up rows."""

    service = "shortener"
    mix: ClassVar[Mapping[str, float]] = {"redirect": 97, "create": 2, "stats": 1}
    links: ClassVar[list[tuple[str, str]]] = []
    popularity: ClassVar[Zipf] = Zipf(LINKS)
    authorization: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        cls.authorization = {"Authorization": f"Bearer {environ['SHORTENER_API_KEY']}"}
        http = Http(target, cls.authorization)
        try:
            found = _tagged_links(http)
            found += _create_links(http, LINKS - len(found))
        finally:
            http.close()
        cls.links = found[:LINKS]

    def redirect(self) -> None:
        slug = self.links[self.popularity.draw(self.random)][1]
        answer = self.http.send("GET", f"/{slug}").expect(*REDIRECTS)
        if "location" not in answer.headers:
            raise Unexpected("no location")

    def create(self) -> None:
        document = {"url": f"https://example.com/created/{uuid.uuid4()}", "tags": ["loadtest-created"]}
        headers = {**self.authorization, "Idempotency-Key": str(uuid.uuid4())}
        self.http.send("POST", "/v1/links", document=document, headers=headers).expect(201)

    def stats(self) -> None:
        link_id = self.links[self.popularity.draw(self.random)][0]
        self.http.send("GET", f"/v1/links/{link_id}/stats", headers=self.authorization).expect(200)


def _tagged_links(http: Http) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    cursor = ""
    while len(found) < LINKS:
        page = http.send("GET", f"/v1/links?tag={TAG}&limit={PAGE}{cursor}").expect(200).json()
        found += [(link["id"], link["slug"]) for link in page["items"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    return found


def _create_links(http: Http, count: int) -> list[tuple[str, str]]:
    if count <= 0:
        return []
    links = [{"url": f"https://example.com/load/{number}", "tags": [TAG]} for number in range(count)]
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    document = {"mode": "atomic", "links": links}
    answer = http.send("POST", "/v1/links/bulk", document=document, headers=headers).expect(200, 201).json()
    return [(item["link"]["id"], item["link"]["slug"]) for item in answer["items"]]
