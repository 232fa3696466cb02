"""From the JSON of a request to a draft of a link: slugs and targets are judged here, field by field."""

from typing import Any

from chassis.problems import ValidationFailed, pointer
from chassis.weburls import UrlRefused
from pydantic import ValidationError

from shortener.domain import slugs, targets
from shortener.domain.links import Change, ChangeError, Content, Draft, check_content
from shortener.domain.slugs import SlugError
from shortener.domain.targets import PublicHost
from shortener.schemas import ConditionIn, LinkCreate, LinkPatch, RuleIn, Utm

_ERRORS_MAX = 20


class _Reader:
    """Collects what is wrong, so that a client learns of all of it at once."""

    def __init__(self, own: frozenset[PublicHost], root: str) -> None:
        self._own = own
        self._root = root
        self._errors: list[dict[str, str]] = []

    def url(self, raw: str, place: str) -> str:
        try:
            return targets.parse(raw, self._own)
        except UrlRefused as error:
            self.refuse(place, error.detail, error.code)
            return raw

    def slug(self, raw: str | None) -> slugs.Slug | None:
        if raw is None:
            return None
        try:
            return slugs.parse(raw)
        except SlugError as error:
            self.refuse("/slug", error.detail, error.code)
            return None

    def rules(self, rules: list[RuleIn] | None) -> list[dict[str, Any]] | None:
        if not rules:
            return None
        return [self._rule(rule, f"/rules/{index}") for index, rule in enumerate(rules)]

    def _rule(self, rule: RuleIn, place: str) -> dict[str, Any]:
        stored: dict[str, Any] = {}
        condition = _condition(rule.if_)
        if condition:
            stored["if"] = condition
        if rule.url is not None:
            stored["url"] = self.url(rule.url, f"{place}/url")
        for index, arm in enumerate(rule.split or ()):
            url = self.url(arm.url, f"{place}/split/{index}/url")
            stored.setdefault("split", []).append({"url": url, "weight": arm.weight})
        return stored

    def refuse(self, place: str, detail: str, code: str) -> None:
        self._errors.append({"pointer": f"{self._root}{place}", "detail": detail, "code": code})

    def end(self) -> None:
        """Raises ValidationFailed when anything was refused."""
        count = len(self._errors)
        if count:
            noun = "value is" if count == 1 else "values are"
            raise ValidationFailed(f"{count} {noun} not valid.", errors=self._errors[:_ERRORS_MAX])


def draft_of(body: LinkCreate, own: frozenset[PublicHost], root: str = "/body") -> Draft:
    """Raises ValidationFailed with a pointer to each field at fault."""
    reader = _Reader(own, root)
    slug = reader.slug(body.slug)
    content = Content(
        url=reader.url(body.url, "/url"),
        status=body.status or 302,
        since=body.since,
        until=body.until,
        max_visits=body.max_visits,
        tags=tuple(body.tags or ()),
        rules=reader.rules(body.rules),
        utm=_utm(body.utm),
        title=body.title,
    )
    try:
        check_content(content)
    except ChangeError as error:
        reader.refuse(error.pointer, error.detail, "window_empty")
    reader.end()
    return Draft(content=content, slug=slug)


def draft_of_json(raw: bytes, own: frozenset[PublicHost]) -> tuple[Draft, LinkCreate] | ValidationFailed:
    """One row of a bulk or an import, told apart from its neighbours: a bad row is an answer, no error."""
    try:
        body = LinkCreate.model_validate_json(raw)
        return draft_of(body, own, root=""), body
    except ValidationError as error:
        listed = [
            {"pointer": pointer(one["loc"]), "detail": str(one["msg"])}
            for one in error.errors(include_url=False, include_context=False, include_input=False)[
                :_ERRORS_MAX
            ]
        ]
        noun = "value is" if len(listed) == 1 else "values are"
        return ValidationFailed(f"{len(listed)} {noun} not valid.", errors=listed)
    except ValidationFailed as problem:
        return problem


def change_of(body: LinkPatch, own: frozenset[PublicHost]) -> Change:
    """What a PATCH names; null is kept as the wish for the default. Raises ValidationFailed."""
    reader = _Reader(own, "/body")
    named: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "url" in named:
        named["url"] = reader.url(body.url, "/url")
    if named.get("tags") is not None:
        named["tags"] = tuple(named["tags"])
    if "rules" in named:
        named["rules"] = reader.rules(body.rules)
    if "utm" in named:
        named["utm"] = _utm(body.utm)
    reader.end()
    return Change(named)


def _utm(utm: Utm | None) -> dict[str, str] | None:
    return (utm.model_dump(exclude_none=True) or None) if utm is not None else None


def _condition(condition: ConditionIn) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for name in ("device", "language", "country"):
        value = getattr(condition, name)
        if value is not None:
            stored[name] = value if isinstance(value, list) else [value]
    if condition.time is not None:
        stored["time"] = condition.time.model_dump(by_alias=True, exclude_none=True)
    return stored
